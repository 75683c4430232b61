/* The scheme once more, from its text alone: row digests, entries, pages, root, proofs.
 *
 *   node reimplement.js VECTORS.json VERIFIER.js
 *
 * Recomputes everything in the vectors from their inputs with Node's own hashes and
 * compares byte for byte; then checks each proof, and corruptions of each, with the
 * verifier that the HTML report carries. Prints how much was compared.
 */
"use strict";

const assert = require("node:assert");
const { createHash, createHmac, webcrypto } = require("node:crypto");
const fs = require("node:fs");

if (!globalThis.crypto) globalThis.crypto = webcrypto;
const vectors = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const verifier = require(require("node:path").resolve(process.argv[3]));

const sha256 = (...pieces) => {
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  return hash.digest();
};
const netstring = (text) => {
  const bytes = Buffer.from(text, "utf8");
  return Buffer.concat([Buffer.from(`${bytes.length}:`), bytes, Buffer.from(",")]);
};

// --- row-sha256/v1 ---

function text([kind, value]) {
  switch (kind) {
    case "text": return value;
    case "int": return value;
    case "bool": return value ? "true" : "false";
    case "double": {
      const view = new DataView(new ArrayBuffer(8));
      view.setFloat64(0, fromPythonHex(value));
      return Buffer.from(view.buffer).toString("hex");
    }
    case "binary": return sha256(Buffer.from(value, "hex")).toString("hex");
    case "list":
    case "struct": return value.map((cell) => encoded(cell).toString("utf8")).join("");
    default: throw new Error(kind);
  }
}

/** float.hex() of Python: sign, mantissa and power of two, nothing rounded. */
function fromPythonHex(written) {
  const [, sign, whole, part, power] = /^(-?)0x(\d)\.([0-9a-f]+)p([-+]\d+)$/.exec(written);
  const mantissa = Number(whole) + parseInt(part, 16) / 16 ** part.length;
  return (sign ? -1 : 1) * mantissa * 2 ** Number(power);
}

const encoded = (cell) =>
  cell[1] === null ? Buffer.from("~") : netstring(text(cell));

for (const { cells, sha256: wanted } of vectors.rows) {
  assert.strictEqual(sha256(...cells.map(encoded)).toString("hex"), wanted);
}

// --- prefix-pages-sha256/v1 ---

const key = Buffer.from(vectors.releaseKey, "hex");
const LABELS = { records: "record/v1", subjects: "subject/v1" };
const token = (set, id) =>
  createHmac("sha256", key).update(`${LABELS[set]}\0${id}`, "utf8").digest();

function entry(set, fields) {
  const t = token(set, fields[0]);
  return Buffer.concat([
    t.subarray(0, 16),
    sha256(t.subarray(16), ...fields.map(netstring)),
  ]);
}

function tree(entries) {
  const bits = Math.max(0, Math.ceil(Math.log2(entries.length / 64)));
  const pages = Array.from({ length: 2 ** bits }, () => []);
  for (const one of entries) pages[bits ? one.readUInt32BE(0) >>> (32 - bits) : 0].push(one);
  for (const page of pages) page.sort(Buffer.compare);
  let level = pages.map((page) => sha256(Buffer.of(0), ...page));
  const levels = [level];
  while (level.length > 1) {
    const above = [];
    for (let at = 0; at < level.length; at += 2) {
      above.push(sha256(Buffer.of(1), level[at], level[at + 1]));
    }
    levels.push((level = above));
  }
  return { bits, pages, levels, root: level[0].toString("hex") };
}

const records = new Map(vectors.records.map((fields) => [fields[0], fields]));
const subjects = new Map(
  vectors.people.map(([id, inside, outside]) => {
    const paths = inside.map((record) => token("records", record).subarray(0, 16));
    paths.sort(Buffer.compare);
    const digest = sha256(...paths).toString("hex");
    return [id, [id, String(inside.length), String(outside), digest]];
  }),
);
const sets = { records, subjects };
const NAMES = {
  records: ["record_id", "decision", "reason", "content_sha256", "data_path", "out_row"],
  subjects: ["subject_key", "rows_admitted", "rows_dropped", "paths_sha256"],
};
const trees = {};
for (const set of Object.keys(sets)) {
  trees[set] = tree([...sets[set].values()].map((fields) => entry(set, fields)));
  const wanted = vectors.commitments[set];
  assert.strictEqual(trees[set].root, wanted.root);
  assert.strictEqual(String(trees[set].bits), wanted.pageBits);
  assert.strictEqual(String(sets[set].size), wanted.entries);
}
const commitment = sha256("consentfilter/key/v1\0", key).toString("hex");
assert.strictEqual(commitment, vectors.commitments.keyCommitment);

function prove(set, id, isOpened) {
  const t = token(set, id);
  const { bits, pages, levels } = trees[set];
  let at = bits ? t.readUInt32BE(0) >>> (32 - bits) : 0;
  const page = pages[at].map((one) => one.toString("hex"));
  const siblings = levels.slice(0, -1).map((level) => {
    const sibling = level[at ^ 1].toString("hex");
    at >>= 1;
    return sibling;
  });
  const fields = sets[set].get(id);
  const proof = {
    scheme: vectors.scheme,
    set,
    kind: fields ? "in" : "out",
    path: t.subarray(0, 16).toString("hex"),
    page,
    siblings,
  };
  if (fields) {
    proof.salt = t.subarray(16).toString("hex");
    proof.fields = Object.fromEntries(NAMES[set].map((name, n) => [name, fields[n]]));
  }
  if (isOpened) Object.assign(proof, { id, token: t.toString("hex") });
  return proof;
}

const ids = [
  vectors.proofs[0].fields.record_id,
  vectors.proofs[1].id,
  vectors.proofs[3].id,
  vectors.proofs[3].id,
  vectors.proofs[4].fields.subject_key,
  vectors.proofs[5].id,
];
vectors.proofs.forEach((wanted, at) => {
  const made = prove(wanted.set, ids[at], "token" in wanted);
  assert.strictEqual(JSON.stringify(made), JSON.stringify(wanted));
});

// --- the verifier of the report ---

async function refuses(action, why) {
  await assert.rejects(action, (problem) => {
    assert.ok(problem instanceof verifier.Refused, `${why}: ${problem.stack}`);
    return true;
  }, why);
}

const bytesOf = (value) => Buffer.from(JSON.stringify(value), "utf8");
const flip = (hex) => (hex[0] === "1" ? "2" : "1") + hex.slice(1);

async function main() {
  const envelope = Buffer.from(vectors.manifest, "base64");
  const manifest = await verifier.readManifest(envelope, vectors.publicKey);
  assert.strictEqual(manifest.signature, "valid");
  assert.strictEqual(manifest.sha256, vectors.manifestSha256);
  const unchecked = await verifier.readManifest(envelope);
  assert.strictEqual(unchecked.signature, "unchecked");
  let refused = 0;
  for (let at = 0; at < envelope.length; at += 41) {
    const changed = Buffer.from(envelope);
    changed[at] ^= 1;
    await refuses(verifier.readManifest(changed, vectors.publicKey), `byte ${at}`);
    refused += 1;
  }
  for (const [at, proof] of vectors.proofs.entries()) {
    const found = await verifier.checkProof(bytesOf(proof), manifest, key);
    assert.strictEqual(found.kind, proof.kind);
    assert.strictEqual(found.isBound, found.id !== null);
    if (proof.kind === "in") assert.strictEqual(found.id, ids[at]);
    const changes = [
      (p) => { p.kind = p.kind === "in" ? "out" : "in"; },
      (p) => { p.set = p.set === "records" ? "subjects" : "records"; },
      (p) => { p.scheme += "x"; },
      (p) => { p.path = flip(p.path); },
      (p) => { p.path = p.path.toUpperCase() + "A"; },
      (p) => { p.page.push(p.page[0] ?? "0".repeat(96)); },
      (p) => { p.page = p.page.length ? p.page.slice(1) : ["0".repeat(96)]; },
      (p) => { p.page = p.page.length ? p.page.map(flip) : [1]; },
      (p) => { p.page = Array(1025).fill("0".repeat(96)); },
      (p) => { p.siblings.push("0".repeat(64)); },
      (p) => { p.index = -1; },
      (p) => { p.index = 1.5; },
      (p) => { p.token = "0".repeat(64); },
      (p) => { delete p.page; },
      (p) => { p.page = "x"; },
      (p) => { p.__proto__ = null; p.set = "constructor"; },
    ];
    if (proof.siblings.length) changes.push((p) => { p.siblings[0] = flip(p.siblings[0]); });
    if (proof.siblings.length) changes.push((p) => { p.siblings.pop(); });
    if (proof.kind === "in") {
      changes.push((p) => { p.salt = flip(p.salt); });
      changes.push((p) => { p.id = "somebody else"; });
      for (const name of Object.keys(proof.fields)) {
        changes.push((p) => { p.fields[name] += "0"; });
        changes.push((p) => { p.fields[name] = 1; });
        changes.push((p) => { delete p.fields[name]; });
      }
    }
    if ("id" in proof) changes.push((p) => { p.id += "x"; });
    for (const change of changes) {
      const changed = structuredClone(proof);
      change(changed);
      await refuses(verifier.checkProof(bytesOf(changed), manifest, key), `${change}`);
      refused += 1;
    }
  }
  const good = JSON.stringify(vectors.proofs[0]);
  const odd = [
    good.replace('"kind":"in"', '"kind":"out","kind":"in"'),
    good.replace('"reason":', '"reason":"","reason":'),
    good.slice(0, -1), `${good}{}`, `\ufeff${good}`, "[]", "null", "", "{,}", "[1,]",
    "[".repeat(1000), good.replace('"set"', "'set'"), `{"set":"records"`,
  ];
  for (const text of odd) {
    await refuses(verifier.checkProof(Buffer.from(text), manifest), text.slice(0, 40));
    refused += 1;
  }
  await refuses(verifier.checkProof(Buffer.of(0xff), manifest), "not UTF-8");
  await refuses(verifier.checkProof(bytesOf(vectors.proofs[0]), manifest, Buffer.alloc(32)), "key");
  process.stdout.write(JSON.stringify({
    rows: vectors.rows.length,
    entries: records.size + subjects.size,
    proofs: vectors.proofs.length,
    refused: refused + 2,
  }));
}

main().catch((problem) => {
  process.stderr.write(`${problem.stack}\n`);
  process.exitCode = 1;
});
