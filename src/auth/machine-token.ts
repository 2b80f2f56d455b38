/**
 * Machine tokens: `berth_`, 43 characters of 256 random bits, and 6 of their CRC-32, all in base 62. The prefix and
 * the checksum are for those who scan for secrets that lie about: what fits is one, without asking anybody.
 */

import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";

const PREFIX = "berth_";
const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM_LENGTH = 43;
const CHECKSUM_LENGTH = 6;
const FORM = /^berth_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/;

/** @param random 32 bytes that nobody can guess */
export function formatMachineToken(random: Uint8Array): string {
  const number = random.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  const digits = inBase62(number, RANDOM_LENGTH);
  return PREFIX + digits + checksum(digits);
}

/** Whether a password is one by its form. A password that a person has chosen is none. */
export function isMachineToken(text: string): boolean {
  const [, digits = "", sum] = FORM.exec(text) ?? [];
  return sum === checksum(digits);
}

/** What a token is stored under: nothing is learned from it, as the token cannot be guessed. */
export function idOf(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

function checksum(digits: string): string {
  return inBase62(BigInt(crc32(digits)), CHECKSUM_LENGTH);
}

function inBase62(number: bigint, length: number): string {
  let digits = "";
  for (let rest = number; rest > 0n; rest /= 62n) digits = DIGITS[Number(rest % 62n)] + digits;
  return digits.padStart(length, "0");
}
