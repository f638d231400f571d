import fc from "fast-check";
import { expect, test } from "vitest";
import {
  createEnrolmentRequest,
  enrolmentMac,
  parseEnrolmentRequest,
  verifyEnrolmentMac,
} from "../../../src/trust/enrolment.ts";
import { signPeerProof, verifyPeerProof } from "../../../src/trust/peer-proof.ts";
import {
  nextSequence,
  parseSequence,
  requestText,
  signRequest,
  verifyRequest,
} from "../../../src/trust/request-signature.ts";
import {
  SigningKey,
  isVolunteerId,
  parsePublicKey,
  verifyBase64Signature,
  verifySignature,
  volunteerIdOf,
} from "../../../src/trust/signing-key.ts";
import { encodeTicket, parseTicket } from "../../../src/trust/ticket.ts";
import { formatUtc, parseUtc } from "../../../src/trust/utc-time.ts";

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));
const key = SigningKey.fromSeed(Buffer.alloc(32, 7));
const other = SigningKey.fromSeed(Buffer.alloc(32, 8));

// RFC 8032, 7.1, tests 1 and 2: seed, public key, message, signature.
test.each([
  [
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "",
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  ],
  [
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    "72",
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  ],
])("Ed25519 gives the signature of RFC 8032 for seed %s", (seed, publicKey, message, signature) => {
  const signing = SigningKey.fromSeed(hex(seed));
  expect(Buffer.from(signing.publicKey).toString("hex")).toBe(publicKey);
  expect(Buffer.from(signing.sign(hex(message))).toString("hex")).toBe(signature);
  expect(verifySignature(hex(publicKey), hex(message), hex(signature))).toBe(true);
});

test("a key survives PEM, other PEMs are refused", () => {
  expect(SigningKey.fromPem(key.toPem()).publicKeyText).toBe(key.publicKeyText);
  expect(() => SigningKey.fromPem("garbage")).toThrow(expect.objectContaining({ code: "bad-key" }));
});

test("signatures of other lengths, texts and bytes are false, never an exception", () => {
  const message = Buffer.from("message");
  const signature = key.sign(message);
  expect(verifySignature(key.publicKey.subarray(1), message, signature)).toBe(false);
  expect(verifySignature(key.publicKey, message, signature.subarray(1))).toBe(false);
  expect(verifySignature(other.publicKey, message, signature)).toBe(false);
  expect(verifyBase64Signature(key.publicKey, message, key.signToBase64(message))).toBe(true);
  expect(verifyBase64Signature(key.publicKey, message, `${key.signToBase64(message)} `)).toBe(false);
  expect(verifyBase64Signature(key.publicKey, message, undefined)).toBe(false);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), fc.uint8Array({ maxLength: 70 }), (publicKey, bytes) => {
      expect(verifySignature(publicKey, message, bytes)).toBe(false);
    }),
  );
});

test("a volunteer id is the beginning of the key's SHA-256", () => {
  expect(volunteerIdOf(new Uint8Array(32))).toBe(
    "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925".slice(0, 40),
  );
  expect([isVolunteerId(volunteerIdOf(key.publicKey)), isVolunteerId("A".repeat(40)), isVolunteerId(1)]).toEqual([
    true,
    false,
    false,
  ]);
  expect(parsePublicKey(key.publicKeyText)).toEqual(key.publicKey);
  expect(() => parsePublicKey(key.publicKeyText.slice(1))).toThrow(expect.objectContaining({ code: "bad-key" }));
});

const ticket = {
  url: "https://mirror.example.org/pub",
  repository: "0123456789abcdef0123456789abcdef",
  root: "ab".repeat(32),
  name: "maths-2",
  token: new Uint8Array(32).fill(9),
  site: "Zürich",
};

test("a ticket comes back as it was made, with or without a site, with white space around", () => {
  expect(parseTicket(`\n ${encodeTicket(ticket)} \n`)).toEqual(ticket);
  const { site: _, ...siteless } = ticket;
  expect(parseTicket(encodeTicket(siteless))).toEqual(siteless);
  expect(parseTicket(encodeTicket({ ...ticket, url: "http://10.0.0.1:7380/" })).url).toBe("http://10.0.0.1:7380");
});

test.each([
  ["another prefix", encodeTicket(ticket).replace("prsync1", "prsync2")],
  ["a cut", encodeTicket(ticket).slice(0, -9)],
  ["nothing", ""],
  ["another scheme", encodeTicket({ ...ticket, url: "file:///etc" })],
  ["a password in the URL", encodeTicket({ ...ticket, url: "http://u:p@host/" })],
  ["a query in the URL", encodeTicket({ ...ticket, url: "http://host/?a" })],
  ["a short token", encodeTicket({ ...ticket, token: new Uint8Array(31) })],
  ["a name with a slash", encodeTicket({ ...ticket, name: "a/b" })],
  ["a control character in the site", encodeTicket({ ...ticket, site: "a\u001b[2J" })],
  ["an upper-case root", encodeTicket({ ...ticket, root: "AB".repeat(32) })],
  ["a short repository id", encodeTicket({ ...ticket, repository: "0123" })],
  ["too much", encodeTicket({ ...ticket, url: `http://host/${"a".repeat(4000)}` })],
])("a ticket with %s is refused without being repeated", (_, text) => {
  expect(() => parseTicket(text)).toThrow(expect.objectContaining({ code: "bad-ticket" }));
  expect(() => parseTicket(text)).toThrow(
    expect.not.objectContaining({ message: expect.stringContaining(text || "\0") as string }),
  );
});

test("any text as a ticket throws only bad-ticket", () => {
  const texts = fc.oneof(
    fc.string(),
    fc.string().map((text) => `prsync1.${Buffer.from(text).toString("base64url")}`),
    fc.json().map((text) => `prsync1.${Buffer.from(text).toString("base64url")}`),
  );
  fc.assert(
    fc.property(texts, (text) => {
      expect(() => parseTicket(text)).toThrow(expect.objectContaining({ code: "bad-ticket" }));
    }),
  );
});

const identity = { repository: ticket.repository, name: ticket.name, publicKey: key.publicKeyText };

test("the enrolment mac binds token, repository, name and key", () => {
  const request = parseEnrolmentRequest(JSON.parse(JSON.stringify(createEnrolmentRequest(ticket.token, identity))));
  expect(verifyEnrolmentMac(ticket.token, request)).toBe(true);
  expect(verifyEnrolmentMac(new Uint8Array(32), request)).toBe(false);
  expect(verifyEnrolmentMac(ticket.token, { ...request, name: "maths-3" })).toBe(false);
  expect(verifyEnrolmentMac(ticket.token, { ...request, publicKey: other.publicKeyText })).toBe(false);
  expect(verifyEnrolmentMac(ticket.token, { ...request, repository: "f".repeat(32) })).toBe(false);
  expect(verifyEnrolmentMac(ticket.token, { ...request, mac: "" })).toBe(false);
});

test("the enrolment mac is HMAC-SHA-256 of the documented text", () => {
  // openssl dgst -sha256 -mac HMAC -macopt hexkey:00…00 over "prsync-enrol-v1\nr\nn\nk"
  const mac = Buffer.from(enrolmentMac(new Uint8Array(32), { repository: "r", name: "n", publicKey: "k" }));
  expect(mac.toString("hex")).toBe("36c159901dbd2fda044d5d334234d41893ccc16ae1c30243244aadb9fc05df75");
});

test.each([
  undefined,
  null,
  [],
  "x",
  {},
  { ...identity, mac: 1 },
  { ...identity, name: "../x", mac: "" },
  { ...identity, publicKey: "x", mac: "" },
])("an enrolment request of another form is refused: %j", (value) => {
  expect(() => parseEnrolmentRequest(value)).toThrow(expect.objectContaining({ name: "TrustError" }));
});

test("a signed request is bound to method, target, sequence and body", () => {
  const request = { method: "POST", target: "/.prsync/announce?port=1", sequence: 5, body: Buffer.from("{}") };
  expect(requestText(request)).toBe(
    "prsync-request-v1\nPOST\n/.prsync/announce?port=1\n5\n44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
  );
  const signature = signRequest(key, request);
  expect(verifyRequest(key.publicKey, request, signature)).toBe(true);
  expect(verifyRequest(other.publicKey, request, signature)).toBe(false);
  for (const change of [{ method: "GET" }, { target: "/" }, { sequence: 6 }, { body: Buffer.from("[]") }]) {
    expect(verifyRequest(key.publicKey, { ...request, ...change }, signature)).toBe(false);
  }
});

test("sequence numbers are plain safe integers and rise whatever the clock does", () => {
  expect(["1", "9007199254740991"].map(parseSequence)).toEqual([1, 9007199254740991]);
  const bad = ["0", "-1", "01", "1e3", "9007199254740992", " 1", "", undefined, ["1"]];
  expect(bad.map(parseSequence)).toEqual(bad.map(() => undefined));
  expect([nextSequence(0, 1000.7), nextSequence(5000, 1000)]).toEqual([1000, 5001]);
});

test("a peer proof is bound to nonce, both ids and info hash", () => {
  const proof = {
    receiverNonce: new Uint8Array(32).fill(1),
    signerId: new Uint8Array(20).fill(2),
    receiverId: new Uint8Array(20).fill(3),
    infoHash: new Uint8Array(20).fill(4),
  };
  const signature = signPeerProof(key, proof);
  expect(verifyPeerProof(key.publicKey, proof, signature)).toBe(true);
  expect(verifyPeerProof(other.publicKey, proof, signature)).toBe(false);
  for (const name of ["receiverNonce", "signerId", "receiverId", "infoHash"] as const) {
    const changed = Uint8Array.from(proof[name], (byte, at) => (at === 0 ? byte ^ 1 : byte));
    expect(verifyPeerProof(key.publicKey, { ...proof, [name]: changed }, signature), name).toBe(false);
    expect(verifyPeerProof(key.publicKey, { ...proof, [name]: proof[name].subarray(1) }, signature), name).toBe(false);
  }
  // Reflected: what one side signed is no proof for the other.
  const reflected = { ...proof, signerId: proof.receiverId, receiverId: proof.signerId };
  expect(verifyPeerProof(key.publicKey, reflected, signature)).toBe(false);
  expect(() => signPeerProof(key, { ...proof, infoHash: new Uint8Array(19) })).toThrow(RangeError);
});

test("times are whole seconds of the calendar", () => {
  expect(formatUtc(1_795_172_400_999)).toBe("2026-11-20T11:00:00Z");
  expect(parseUtc("2026-11-20T11:00:00Z")).toBe(1_795_172_400_000);
  const bad = [
    "2026-02-31T00:00:00Z",
    "2026-11-20T11:00:00.5Z",
    "2026-11-20 11:00:00Z",
    "2026-11-20T25:00:00Z",
    5,
    undefined,
  ];
  expect(bad.map(parseUtc)).toEqual(bad.map(() => undefined));
});
