"""Words that invented people say, and their names."""

from __future__ import annotations

from typing import Final

GIVEN_NAMES: Final = (
    "Ada", "Amir", "Ana", "Ben", "Carla", "Chidi", "Dana", "Elif", "Emre", "Femi",
    "Grace", "Hana", "Ines", "Ivan", "Jonas", "Kemal", "Lea", "Liam", "Mara", "Mei",
    "Nadia", "Noor", "Olga", "Pablo", "Priya", "Rosa", "Sami", "Tariq", "Uma", "Vera",
    "Wanda", "Yara", "Zoë", "Åsa",
)  # fmt: skip
FAMILY_NAMES: Final = (
    "Abbas", "Berg", "Castillo", "Demir", "Eze", "Fischer", "García", "Haddad",
    "Ito", "Jansen", "Kim", "Laurent", "Moreau", "Novak", "Okafor", "Petrov",
    "Quinn", "Rossi", "Sato", "Tanaka", "Ueda", "Varga", "Weber", "Yilmaz", "Zhang",
)  # fmt: skip
OPENINGS: Final = (
    "So,", "Right,", "Before we go on,", "One more thing:", "Just to be clear,",
    "From our side,", "If I may,", "Quickly,", "To sum up,", "As I said last week,",
    "Honestly,", "For the minutes:", "Thanks.", "Okay,", "Sorry, I was on mute.",
)  # fmt: skip
REMARKS: Final = (
    "the numbers for the third quarter look better than we feared.",
    "I would rather ship a small part now than everything in spring.",
    "who is taking the customer call in Rotterdam on Thursday?",
    "the migration broke the export for two of the larger accounts.",
    "can we agree on the budget before we talk about the venue?",
    "my daughter is ill, so I will have to leave ten minutes early.",
    "the contract says thirty days, not thirty working days.",
    "let us keep the old name until the lawyers have answered.",
    "I have shared the slides, page seven is the interesting one.",
    "we lost the recording of the first session, that was my fault.",
    "the vendor wants an answer by Friday noon.",
    "there is a long queue at support because of the new login.",
    "nobody has tested this on the older phones yet.",
    "I can take the first draft if somebody reviews it on Monday.",
    "the board asked twice why the figure changed.",
    "we should ask the people who actually use it every day.",
    "it worked on my machine and failed in the meeting room.",
    "let us not decide this while half of the team is away.",
)  # fmt: skip
TITLES: Final = (
    "Weekly sync", "Design review", "Quarterly numbers", "Interview debrief",
    "Customer call", "Incident review", "Budget round", "Onboarding", "Roadmap",
    "Contract questions", "Parents' evening", "Lab meeting",
)  # fmt: skip
FILE_NAMES: Final = (
    "minutes.docx", "roadmap.pdf", "budget.xlsx", "photo.jpg", "contract-v3.pdf",
    "notes.md", "survey.csv", "deck.pptx",
)  # fmt: skip
TELEMETRY_EVENTS: Final = (
    "join", "leave", "mute", "unmute", "share_start", "share_stop", "reconnect",
    "camera_on", "camera_off",
)  # fmt: skip
DEVICES: Final = ("web", "ios", "android", "windows", "macos", "room system")
