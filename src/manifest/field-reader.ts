import {
  nestedFields,
  unknownFields,
  type JsonFields,
  type JsonValue,
  type UnknownFields,
} from "../codec/canonical-json.ts";
import { ManifestError, type ManifestErrorCode } from "./errors.ts";

/**
 * Takes the fields of one parsed object by name and type. What is never asked for is {@link FieldReader.unknown}.
 * Every method throws ManifestError with the code given to the constructor.
 */
export class FieldReader {
  readonly #fields: JsonFields;
  readonly #code: ManifestErrorCode;
  readonly #thing: string;
  readonly #asked = new Set<string>();

  constructor(fields: JsonFields, code: ManifestErrorCode, thing: string) {
    this.#fields = fields;
    this.#code = code;
    this.#thing = thing;
  }

  has(key: string): boolean {
    return this.#fields.has(key);
  }

  /** Keys that somebody else reads. */
  skip(...keys: readonly string[]): void {
    for (const key of keys) this.#asked.add(key);
  }

  integer(key: string, min: number, max: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.#take(key);
    if (typeof value === "number" && value >= min && value <= max) return value;
    this.fail(key, `a whole number from ${min} to ${max}`);
  }

  /** @param pattern what the whole text must match, and `wanted` in words */
  text(key: string, pattern: RegExp, wanted: string): string {
    const value = this.#take(key);
    if (typeof value === "string" && pattern.test(value)) return value;
    this.fail(key, wanted);
  }

  sha256(key: string): string {
    return this.text(key, /^[0-9a-f]{64}$/, "a SHA-256 of 64 lower-case hex digits");
  }

  /** A nested object. */
  object(key: string): FieldReader {
    return this.#nested(this.#take(key), key);
  }

  /** A list of nested objects; empty if the key is absent. */
  objects(key: string): FieldReader[] {
    return this.#list(key).map((value) => this.#nested(value, key));
  }

  /** A list of texts; empty if the key is absent. */
  texts(key: string): string[] {
    return this.#list(key).map((value) => (typeof value === "string" ? value : this.fail(key, "a list of texts")));
  }

  /** A list of whole numbers ≥ 0; empty if the key is absent. */
  integers(key: string): number[] {
    return this.#list(key).map((value) =>
      typeof value === "number" && value >= 0 ? value : this.fail(key, "a list of whole numbers"),
    );
  }

  /** As a part of the object: `...reader.unknown()`. */
  unknown(): { readonly unknown?: UnknownFields } {
    const unknown = unknownFields(this.#fields, this.#asked);
    return unknown === undefined ? {} : { unknown };
  }

  fail(key: string, wanted: string): never {
    const got = this.#fields.has(key) ? JSON.stringify(this.#fields.get(key)).slice(0, 80) : "nothing";
    throw new ManifestError(this.#code, `${this.#thing}: expected ${wanted} as "${key}", got ${got}`);
  }

  #take(key: string): JsonValue | undefined {
    this.#asked.add(key);
    return this.#fields.get(key);
  }

  #list(key: string): readonly JsonValue[] {
    const value = this.#take(key);
    if (value === undefined) return [];
    if (Array.isArray(value)) return value as readonly JsonValue[];
    this.fail(key, "a list");
  }

  #nested(value: JsonValue | undefined, key: string): FieldReader {
    const fields = nestedFields(value);
    if (fields === undefined) this.fail(key, "an object");
    return new FieldReader(fields, this.#code, `${this.#thing}, "${key}"`);
  }
}
