/* Check a proof against a manifest: lineage/verifier.py once more, in plain JavaScript.
 *
 * Needs WebCrypto and nothing else; runs in a browser and in Node. Like the other one
 * it recomputes and compares, and never trusts a length, an index or a flag. Whatever
 * does not hold throws Refused, whose message says what is wrong.
 *
 *   const manifest = await readManifest(manifestBytes, publicKeyPemOrNull);
 *   const result = await checkProof(proofBytes, manifest, releaseKeyBytesOrNull);
 */
"use strict";

const consentfilter = (() => {
  const PAYLOAD_TYPE = "application/vnd.in-toto+json";
  const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";
  const PREDICATE_TYPE = "urn:consentfilter:predicate/training-set/v1";
  const SCHEME = "prefix-pages-sha256/v1";
  const LABELS = { records: "record/v1", subjects: "subject/v1" };
  const BODY_FIELDS = {
    records: ["record_id", "decision", "reason", "content_sha256", "data_path", "out_row"],
    subjects: ["subject_key", "rows_admitted", "rows_dropped", "paths_sha256"],
  };
  const MAX_PAYLOAD_BYTES = 64 * 1024;
  const MAX_PROOF_BYTES = 1 << 20;
  const MAX_PAGE_ENTRIES = 1024;

  class Refused extends Error {}

  function refuse(message) {
    throw new Refused(message);
  }

  // --- bytes ---

  const utf8 = (text) => new TextEncoder().encode(text);

  function concat(...pieces) {
    const joined = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let at = 0;
    for (const piece of pieces) {
      joined.set(piece, at);
      at += piece.length;
    }
    return joined;
  }

  const hex = (bytes) =>
    Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

  const fromHex = (text) =>
    Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

  const sha256 = async (bytes) =>
    new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

  async function hmac(key, message) {
    const how = { name: "HMAC", hash: "SHA-256" };
    const imported = await crypto.subtle.importKey("raw", key, how, false, ["sign"]);
    return new Uint8Array(await crypto.subtle.sign("HMAC", imported, message));
  }

  function decodeBase64(text, what) {
    let raw;
    try {
      raw = atob(text);
    } catch {
      refuse(`${what}: not base64`);
    }
    if (btoa(raw) !== text) refuse(`${what}: not the canonical base64 of its bytes`);
    return Uint8Array.from(raw, (character) => character.charCodeAt(0));
  }

  // --- JSON: no key twice, whole numbers only, valid UTF-8 ---

  function parseJson(bytes, what) {
    let text;
    try {
      text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      refuse(`${what}: not JSON (not UTF-8)`);
    }
    let at = 0;
    const fail = () => refuse(`${what}: not JSON (at character ${at})`);
    const TOKEN = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|[[\]{},:]|true|false|null/y;

    function next() {
      while (" \t\n\r".includes(text[at] ?? "x")) at += 1;
      TOKEN.lastIndex = at;
      const found = TOKEN.exec(text);
      if (!found) fail();
      at = TOKEN.lastIndex;
      return found[0];
    }

    function value(token, depth) {
      if (depth > 100) fail();
      if (token === "{") {
        const object = Object.create(null);
        for (let name = next(); name !== "}"; name = next()) {
          if (name === "," && Object.keys(object).length) name = next();
          else if (Object.keys(object).length) fail();
          if (name[0] !== '"') fail();
          const key = JSON.parse(name);
          if (key in object) refuse(`${what}: the key '${key}' stands there twice`);
          if (next() !== ":") fail();
          object[key] = value(next(), depth + 1);
        }
        return object;
      }
      if (token === "[") {
        const list = [];
        for (let first = next(); first !== "]"; first = next()) {
          if (first === "," && list.length) first = next();
          else if (list.length) fail();
          list.push(value(first, depth + 1));
        }
        return list;
      }
      if (/^[\]},:]$/.test(token)) fail();
      if (/^-?[0-9]+[.eE]/.test(token)) {
        refuse(`${what}: found the number ${token}, wanted whole numbers only`);
      }
      return JSON.parse(token);
    }

    const parsed = value(next(), 0);
    if (text.slice(at).trim() !== "") fail();
    return parsed;
  }

  function canonical(value) {
    if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
    if (value === null || typeof value !== "object") return JSON.stringify(value);
    const names = Object.keys(value).sort();
    const pairs = names.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`);
    return `{${pairs.join(",")}}`;
  }

  function parseCanonical(bytes, what) {
    const value = parseJson(bytes, what);
    if (hex(utf8(canonical(value))) !== hex(bytes)) {
      refuse(`${what}: not in canonical form (RFC 8785), so it was rewritten`);
    }
    return value;
  }

  function wantKeys(value, names, where) {
    const isObject = value !== null && typeof value === "object" && !Array.isArray(value);
    const wanted = [...names].sort().join();
    if (!isObject || Object.keys(value).sort().join() !== wanted) {
      refuse(`${where}: wanted an object with ${wanted}`);
    }
  }

  function wantText(value, pattern, where) {
    if (typeof value !== "string" || !pattern.test(value)) {
      refuse(`${where}: found ${JSON.stringify(value)}, wanted ${pattern}`);
    }
  }

  function wantList(value, pattern, where) {
    if (!Array.isArray(value)) refuse(`${where}: wanted a list`);
    value.forEach((each, at) => wantText(each, pattern, `${where}[${at}]`));
  }

  const SHA256 = /^[0-9a-f]{64}$/;
  const HALF = /^[0-9a-f]{32}$/;
  const ENTRY = /^[0-9a-f]{96}$/;
  const COUNT = /^(?:0|[1-9][0-9]{0,18})$/;
  const ANY = /^[^]*$/;

  // --- the manifest ---

  function pae(payloadType, body) {
    const kind = utf8(payloadType);
    return concat(utf8(`DSSEv1 ${kind.length} `), kind, utf8(` ${body.length} `), body);
  }

  function pemBytes(pem) {
    const match = /-----BEGIN PUBLIC KEY-----([^-]*)-----END PUBLIC KEY-----/.exec(pem);
    if (!match) refuse("public key: not a PEM public key");
    return decodeBase64(match[1].replace(/\s/g, ""), "public key");
  }

  /** A DER ECDSA signature as the two numbers of 32 bytes that WebCrypto wants. */
  function rawEcdsa(der) {
    const number = (at) => {
      const length = der[at + 1];
      const digits = hex(der.slice(at + 2, at + 2 + length)).replace(/^(00)+/, "");
      return [fromHex(digits.padStart(64, "0")), at + 2 + length];
    };
    const [r, afterR] = number(2);
    const [s] = number(afterR);
    return concat(r, s);
  }

  async function isSignature(pem, signature, message) {
    const der = pemBytes(pem);
    const isEcdsa = der.length > 60;
    const how = isEcdsa
      ? { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }
      : { name: "Ed25519" };
    const key = await crypto.subtle.importKey("spki", der, how, false, ["verify"]);
    const raw = isEcdsa ? rawEcdsa(signature) : signature;
    return crypto.subtle.verify(how, key, raw, message);
  }

  function pageBits(entries) {
    const pages = (entries + 63n) / 64n;
    return pages <= 1n ? 0 : (pages - 1n).toString(2).length;
  }

  async function readManifest(bytes, publicKeyPem = null) {
    if (bytes.length > 2 * MAX_PAYLOAD_BYTES) refuse("manifest: larger than any manifest");
    const envelope = parseCanonical(bytes, "manifest");
    wantKeys(envelope, ["payload", "payloadType", "signatures"], "manifest");
    if (envelope.payloadType !== PAYLOAD_TYPE) refuse("manifest: wrong payloadType");
    const signatures = envelope.signatures;
    if (!Array.isArray(signatures) || signatures.length > 1) {
      refuse("manifest: wanted exactly one signature");
    }
    wantText(envelope.payload, ANY, "manifest.payload");
    const payload = decodeBase64(envelope.payload, "manifest.payload");
    for (const each of signatures) {
      wantKeys(each, ["keyid", "sig"], "manifest.signatures[0]");
      wantText(each.keyid, SHA256, "manifest.signatures[0].keyid");
      wantText(each.sig, ANY, "manifest.signatures[0].sig");
    }
    let signature = signatures.length ? "unchecked" : "none";
    if (publicKeyPem !== null) {
      if (!signatures.length) refuse("manifest: not signed, though a public key was given");
      const found = hex(await sha256(pemBytes(publicKeyPem)));
      if (found !== signatures[0].keyid) {
        refuse(`manifest: signed by key ${signatures[0].keyid}, not by the given ${found}`);
      }
      const raw = decodeBase64(signatures[0].sig, "manifest.signatures[0].sig");
      if (!(await isSignature(publicKeyPem, raw, pae(PAYLOAD_TYPE, payload)))) {
        refuse("manifest: the signature does not fit its payload");
      }
      signature = "valid";
    }
    if (payload.length >= MAX_PAYLOAD_BYTES) refuse("manifest: a payload of 64 KiB or more");
    const statement = parseCanonical(payload, "manifest payload");
    wantKeys(statement, ["_type", "subject", "predicateType", "predicate"], "statement");
    if (statement._type !== STATEMENT_TYPE) refuse("statement: wrong _type");
    if (statement.predicateType !== PREDICATE_TYPE) refuse("statement: wrong predicateType");
    const commitments = statement.predicate?.commitments;
    const names = ["keyCommitment", "records", "scheme", "subjects"];
    wantKeys(commitments, names, "commitments");
    if (commitments.scheme !== SCHEME) refuse("commitments: another scheme");
    wantText(commitments.keyCommitment, SHA256, "commitments.keyCommitment");
    for (const name of Object.keys(LABELS)) {
      const set = commitments[name];
      wantKeys(set, ["entries", "pageBits", "root"], `commitments.${name}`);
      wantText(set.root, SHA256, `commitments.${name}.root`);
      wantText(set.entries, COUNT, `commitments.${name}.entries`);
      if (set.pageBits !== String(pageBits(BigInt(set.entries)))) {
        refuse(`commitments.${name}.pageBits: does not fit its entries`);
      }
    }
    const digest = hex(await sha256(bytes));
    return { signature, sha256: digest, predicate: statement.predicate, commitments };
  }

  // --- the tree (RFC 9162, section 2.1) ---

  const leafHash = (page) => sha256(concat(Uint8Array.of(0), page));

  async function fold(leaf, index, siblings) {
    let node = leaf;
    for (const sibling of siblings) {
      const both = index & 1n ? [sibling, node] : [node, sibling];
      node = await sha256(concat(Uint8Array.of(1), ...both));
      index >>= 1n;
    }
    return node;
  }

  // --- a proof ---

  const keyCommitment = async (key) =>
    hex(await sha256(concat(utf8("consentfilter/key/v1\0"), key)));

  const token = (key, set, id) => hmac(key, utf8(`${LABELS[set]}\0${id}`));

  function entryValue(salt, fields) {
    const netstring = (text) => {
      const bytes = utf8(text);
      return concat(utf8(`${bytes.length}:`), bytes, utf8(","));
    };
    return sha256(concat(salt, ...fields.map(netstring)));
  }

  function wantProof(proof) {
    const set = proof?.set;
    if (typeof set !== "string" || !Object.hasOwn(BODY_FIELDS, set)) {
      refuse("proof.set: wanted 'records' or 'subjects'");
    }
    const isIn = proof.kind === "in";
    const names = ["scheme", "set", "kind", "path", "page", "siblings"];
    if (isIn) names.push("salt", "fields");
    for (const name of ["id", "token"]) if (name in proof) names.push(name);
    wantKeys(proof, names, "proof");
    if (proof.scheme !== SCHEME) refuse("proof.scheme: another scheme");
    wantText(proof.kind, /^(?:in|out)$/, "proof.kind");
    wantText(proof.path, HALF, "proof.path");
    wantList(proof.page, ENTRY, "proof.page");
    wantList(proof.siblings, SHA256, "proof.siblings");
    if (proof.page.length > MAX_PAGE_ENTRIES) refuse("proof.page: more than a page has");
    if (isIn) {
      wantText(proof.salt, HALF, "proof.salt");
      wantKeys(proof.fields, BODY_FIELDS[set], "proof.fields");
      for (const name of BODY_FIELDS[set]) {
        wantText(proof.fields[name], ANY, `proof.fields.${name}`);
      }
    }
    if ("id" in proof) wantText(proof.id, ANY, "proof.id");
    if ("token" in proof) wantText(proof.token, SHA256, "proof.token");
    return [set, isIn];
  }

  async function checkProof(bytes, manifest, releaseKey = null) {
    if (bytes.length > MAX_PROOF_BYTES) refuse("proof: larger than any proof");
    const proof = parseJson(bytes, "proof");
    const [set, isIn] = wantProof(proof);
    const depth = Number(manifest.commitments[set].pageBits);
    const pageOf = (path) => BigInt(`0x${path}`) >> BigInt(128 - depth);
    const paths = proof.page.map((entry) => entry.slice(0, 32));
    const index = pageOf(proof.path);
    if (paths.some((path) => pageOf(path) !== index)) {
      refuse("proof.page: an entry belongs to another page");
    }
    if (paths.some((path, at) => at > 0 && paths[at - 1] >= path)) {
      refuse("proof.page: not strictly sorted by path");
    }
    if (proof.siblings.length !== depth) {
      refuse(`proof.siblings: found ${proof.siblings.length}, wanted exactly ${depth}`);
    }
    const leaf = await leafHash(fromHex(proof.page.join("")));
    const root = await fold(leaf, index, proof.siblings.map(fromHex));
    if (hex(root) !== manifest.commitments[set].root) {
      refuse(`proof: does not lead to the signed root of ${set}`);
    }
    let id = proof.id ?? null;
    if (isIn) {
      const fields = BODY_FIELDS[set].map((name) => proof.fields[name]);
      const value = hex(await entryValue(fromHex(proof.salt), fields));
      if (!proof.page.includes(proof.path + value)) {
        refuse("proof: the opened entry does not stand in its page");
      }
      if (id !== null && id !== fields[0]) refuse("proof.id: is not the entry's");
      id = fields[0];
    } else if (paths.includes(proof.path)) {
      refuse("proof: says `out`, but the path stands in its page");
    }
    const shown = proof.path + (proof.salt ?? "");
    if (!(proof.token ?? shown).startsWith(shown)) {
      refuse("proof.token: not that of the path and the salt");
    }
    if (releaseKey !== null) {
      const isKey = releaseKey.length === 32;
      const { keyCommitment: wanted } = manifest.commitments;
      if (!isKey || (await keyCommitment(releaseKey)) !== wanted) {
        refuse("release key: not the one that the manifest commits to");
      }
      if (id !== null) {
        const wantedToken = hex(await token(releaseKey, set, id));
        if (!wantedToken.startsWith(proof.token ?? shown)) {
          refuse(`proof: path, salt or token is not that of '${id}'`);
        }
      }
    }
    const isBound = releaseKey !== null && id !== null;
    const kind = isIn ? "in" : "out";
    return { kind, set, path: proof.path, fields: proof.fields ?? {}, id, isBound };
  }

  return {
    Refused, checkProof, readManifest, pae, leafHash, fold, token, entryValue,
    keyCommitment, pageBits, canonical, parseJson, hex, fromHex, utf8, concat, sha256,
  };
})();

if (typeof module !== "undefined") module.exports = consentfilter;
