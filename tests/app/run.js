// How the device's code runs each operation of the vectors, in Node and in a browser. A file or an operation that
// only a host runs is named in HOST_ONLY, with its reason.
import { decodeBase64url, encodeBase64url, equal, fromUtf8, utf8 } from "../../pushmfa/app/bytes.js";
import * as crypto from "../../pushmfa/app/crypto.js";
import { isSealingKey, isVerifyKey } from "../../pushmfa/app/curve.js";
import * as enroll from "../../pushmfa/app/enroll.js";
import { malformed, Refusal } from "../../pushmfa/app/errors.js";
import { commandText, decodeText, makeHarmless } from "../../pushmfa/app/harmless.js";
import { parseLink, relayName } from "../../pushmfa/app/link-text.js";
import * as wire from "../../pushmfa/app/wire.js";
import { assert, hex, pairOfScalar, toHex } from "./values.js";

const CODECS = {
  ...wire.statements,
  answer: wire.answer,
  "enroll-device": wire.enrollDevice,
  "enroll-host": wire.enrollHost,
  "enroll-done": wire.enrollDone,
  "relay-hello": wire.relayHello,
  "to-device": wire.toDevice,
  "to-host": wire.toHost,
  "enroll-commit": wire.enrollCommit,
  "enroll-claim": wire.enrollClaim,
};

export const HOST_ONLY = {
  "module.json": "between PAM module and daemon, on one machine",
  "enrollment.json claim": "the host judges a claim",
  "enrollment.json confirm": "the host compares the digits",
  "statements.json fields": "the host judges which fields an answer has; a device's Choice cannot be wrong",
  "text.json make_ascii": "for terminals that show ASCII",
};

const codecOf = ({ by, type }) => (by === "peer" ? wire.peerFrame : by === "relay" ? wire.relayFrame : CODECS[type]);
const bytesOf = (given) => (given.hex === undefined ? utf8(given.text) : hex(given.hex));
const label = (full) => full.replace(/^pushmfa\/v1 /, "");

function decode(given) {
  const message = codecOf(given).decode(bytesOf(given));
  assert.equal(message.type, given.type);
  const written = codecOf(given).encode(message);
  assert.deepEqual(codecOf(given).decode(written), message);
  return toHex(written);
}

const eachRefused = (change) => (given) => {
  codecOf(given).decode(bytesOf(given));
  assert.ok(given.fields.length > 0);
  for (const field of given.fields) {
    const fields = JSON.parse(given.text);
    change(fields, field);
    assert.throws(() => codecOf(given).decode(utf8(JSON.stringify(fields))), Refusal);
  }
  malformed("every one of them");
};

async function keysOf(keys) {
  return {
    identity: await crypto.pairOfSeed(hex(keys.identity_seed)),
    sealing: await pairOfScalar(keys.sealing_scalar, hex(keys.sealing_key)),
    relay: await crypto.pairOfSeed(hex(keys.relay_seed)),
  };
}

const ownClaim = async ({ commitment }, { context }) => ({
  commitment: hex(commitment ?? context.commitment),
  sha256: await crypto.sha256(utf8(context.claim_statement)),
});

const meeting = ({ context }) => enroll.meetingOf(hex(context.secret));
const transcriptOf = (content) => content.cases.find(({ operation }) => operation === "transcript");

async function revealed(given, content) {
  const claim = await ownClaim(given, content), keys = await keysOf(content.keys.device);
  const host = await enroll.openHost(await meeting(content), claim, keys, hex(given.enclosed));
  return enroll.codeOf(claim, host);
}

async function done(given, content) {
  const at = await meeting(content), keys = await keysOf(content.keys.device);
  const host = await enroll.openHost(at, await ownClaim(given, content), keys, hex(transcriptOf(content).host));
  return (await enroll.openDone(at, keys, host, hex(given.enclosed))).result;
}

async function transcript(given, content) {
  const keys = await keysOf(content.keys.device), { secret, relay, origin } = parseLink(given.link);
  assert.deepEqual([toHex(secret), relay, origin], [content.context.secret, "wss://relay.example", "https://mfa.example"]);
  const at = await enroll.meetingOf(secret);
  assert.equal(toHex(at.mailbox), content.context.meeting_mailbox);
  const commitment = await enroll.openCommit(at, hex(given.commit));
  const { statement } = wire.enrollClaim.decode(await crypto.disclose(at.fromDevice, "enroll-claim", hex(given.claim)));
  const { verify_key } = wire.enrollDevice.decode(statement);
  const claim = { commitment, sha256: await crypto.sha256(statement) };
  const host = await enroll.openHost(at, claim, keys, hex(given.host));
  return {
    commit: fromUtf8(await crypto.disclose(at.fromHost, "enroll-commit", hex(given.commit))),
    claim_statement: fromUtf8(statement),
    claim_sha256: toHex(claim.sha256),
    device_id: toHex(await crypto.sha256(verify_key)),
    host_statement: fromUtf8(wire.enrollHost.encode(host)),
    code: await enroll.codeOf(claim, host),
    done_statement: fromUtf8(wire.enrollDone.encode(await enroll.openDone(at, keys, host, hex(given.done)))),
  };
}

// What a host does with an answer, as far as a device has the code for it: steps 1 and
// 3 to 5 of 5.3. What is refused later gets through here, and must.
async function answered(given, content) {
  const { host, device } = content.keys, changed = given.changed;
  const frame = wire.relayFrame.decode(utf8(given.frame));
  assert.ok(equal(frame.from, hex(device.mailbox)));
  const names = [host.id, device.id, device.mailbox, host.mailbox].map(hex);
  const pair = await pairOfScalar(host.sealing_scalar, hex(host.sealing_key));
  const payload = wire.toHost.decode(await crypto.open(pair, crypto.sealingInfo("to-host", ...names), frame.sealed));
  await crypto.verify("answer", hex(device.verify_key), payload.statement, payload.signature);
  wire.answer.decode(payload.statement);
  assert.ok(changed);
}

const name = (make) => async ({ key }) => toHex(await make(hex(key)));

const RUNS = {
  "base64url.json": {
    "": ({ text }) => {
      assert.equal(encodeBase64url(decodeBase64url(text)), text);
      return toHex(decodeBase64url(text));
    },
  },
  "signing.json": {
    sign: async (given) => {
      const pair = await crypto.pairOfSeed(hex(given.seed)), body = hex(given.body);
      assert.equal(toHex(pair.publicKey), given.verify_key);
      assert.equal(toHex(crypto.signedMessage(label(given.label), body)), given.message);
      await crypto.verify(label(given.label), pair.publicKey, body, hex(given.expected));
      return toHex(await crypto.sign(label(given.label), pair, body));
    },
    verify: (given) => crypto.verify(label(given.label), hex(given.verify_key), hex(given.body), hex(given.signature)),
    check_verify_key: ({ verify_key }) => refuseKey(isVerifyKey(hex(verify_key))),
  },
  "names.json": {
    host_id: name(crypto.sha256),
    device_id: name(crypto.sha256),
    mailbox_id: name(crypto.mailboxOf),
    relay_name: ({ url }) => {
      assert.equal(relayName(relayName(url)), relayName(url));
      return relayName(url);
    },
  },
  "sealing.json": {
    info: ({ direction, host_id, device_id, from, to }) =>
      toHex(crypto.sealingInfo(direction, ...[host_id, device_id, from, to].map(hex))),
    // WebCrypto draws its own ephemeral key: what it seals opens, and the expected bytes open.
    seal: async (given) => {
      const pair = await pairOfScalar(given.recipient_scalar, hex(given.recipient_key));
      const info = hex(given.info), own = await crypto.seal(pair.publicKey, info, hex(given.plaintext));
      assert.equal(toHex(await crypto.open(pair, info, own)), given.plaintext);
      assert.equal(toHex(await crypto.open(pair, info, hex(given.expected))), given.plaintext);
      return given.expected;
    },
    open: async ({ recipient_scalar, info, sealed }, { keys }) => {
      const recipient = Object.values(keys).find(({ sealing_scalar }) => sealing_scalar === recipient_scalar);
      const pair = await pairOfScalar(recipient_scalar, hex(recipient.sealing_key));
      return toHex(await crypto.open(pair, hex(info), hex(sealed)));
    },
    check_sealing_key: ({ sealing_key }) => refuseKey(isSealingKey(hex(sealing_key))),
  },
  "enclosing.json": {
    derive: async ({ secret }) => {
      const at = await enroll.meetingOf(hex(secret));
      return {
        relay_seed: toHex(await crypto.linkKey(hex(secret), "relay")),
        from_host: toHex(at.fromHost),
        from_device: toHex(at.fromDevice),
        meeting_mailbox: toHex(at.mailbox),
      };
    },
    disclose: async ({ key, step, enclosed }) => toHex(await crypto.disclose(hex(key), step, hex(enclosed))),
  },
  "statements.json": messages(),
  "frames.json": messages(),
  "enrollment.json": {
    transcript,
    commitment: async ({ verify_key, sealing_key, nonce }) =>
      toHex(await enroll.commitmentOf({ verify_key: hex(verify_key), sealing_key: hex(sealing_key), nonce: hex(nonce) })),
    code: async ({ statement }, { keys: { host }, context }) => {
      const of = { verify_key: hex(host.verify_key), sealing_key: hex(host.sealing_key), nonce: hex(context.host_nonce) };
      return enroll.codeOf({ sha256: await crypto.sha256(utf8(statement)) }, of);
    },
    reveal: revealed,
    done,
  },
  "answer.json": { "": answered },
  "assertion.json": { "": answered },
  "text.json": {
    make_harmless: ({ text, limit }) => makeHarmless(text, limit),
    decode_text: ({ bytes }) => decodeText(hex(bytes)),
    command: ({ command }) =>
      commandText({ head: hex(command), tail: hex(""), length: command.length / 2, sha256: new Uint8Array(32) }).head,
  },
};

function messages() {
  return {
    message: decode,
    decode,
    leave_out: eachRefused((fields, field) => delete fields[field]),
    null: eachRefused((fields, field) => (fields[field] = null)),
  };
}

function refuseKey(isGood) {
  if (!isGood) throw new Refusal("bad_key");
}

// The errors of pushmfa/errors.py, and what the app throws for them.
const KINDS = {
  MalformedError: "malformed",
  SealError: "not_opened",
  VerificationError: "not_verified",
  KeyRejectedError: "bad_key",
  ConfigError: "bad_link",
};

// Answers, which a host judges: what it alone knows (of step 5 the cases with a `message`)
// a device has no code for, and must open, verify and parse.
const FOR_HOSTS = ["answer.json", "assertion.json"];
const isForHost = ({ step, message }) => !(/\([134]\)/.test(step) || (/\(5\)/.test(step) && !message));

// Throws unless the app does with a case what it says.
async function judge(file, given, content, run) {
  const isOpened = FOR_HOSTS.includes(file) && (given.expected || isForHost(given.refusal));
  if (isOpened) return run(given, content);
  if (!given.refusal) return assert.deepEqual(await run(given, content), given.expected, given.name);
  try {
    await run(given, content);
  } catch (error) {
    const isRefusal = error instanceof Refusal && error.kind === KINDS[given.refusal.error];
    return assert.ok(isRefusal, `${given.name}: ${error}, not ${given.refusal.error}`);
  }
  throw new Error(`${given.name}: not refused`);
}

// Runs a file of the vectors; `failures` are sentences, `hostOnly` counts what was left out.
export async function runFile(file, content) {
  const result = { file, run: 0, hostOnly: 0, failures: [] };
  for (const given of content.cases) {
    const operation = given.operation ?? "", run = RUNS[file]?.[operation];
    if (run) {
      result.run += 1;
      await judge(file, given, content, run).catch((error) => result.failures.push(String(error)));
    } else if (HOST_ONLY[file] ?? HOST_ONLY[`${file} ${operation}`]) {
      result.hostOnly += 1;
    } else {
      result.failures.push(`${file} ${operation}: nobody runs ${given.name}`);
    }
  }
  return result;
}
