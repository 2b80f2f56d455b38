/** In which language a page is, and how it writes numbers. */

import { english, type Texts } from "./texts/english.ts";
import { german } from "./texts/german.ts";

/** Another language is one more file of texts, and one more line here. */
const LANGUAGES = { en: english, de: german } as const satisfies Record<string, Texts>;

export type Language = keyof typeof LANGUAGES;

export function textsOf(language: Language): Texts {
  return LANGUAGES[language];
}

/** The language that a browser likes best of those that there are. @param header Accept-Language */
export function chooseLanguage(header: string | undefined): Language {
  const liked = (header ?? "").slice(0, 500).split(",").map(parseRange);
  liked.sort((one, other) => other.quality - one.quality);
  const found = liked.find(({ tag, quality }) => quality > 0 && Object.hasOwn(LANGUAGES, tag));
  return (found?.tag ?? "en") as Language;
}

/** RFC 9110, section 12.5.4, by the primary tag alone. */
function parseRange(text: string): { tag: string; quality: number } {
  const [range = "", ...parameters] = text.split(";");
  const quality = parameters.map((each) => /^\s*q=(\d(?:\.\d{0,3})?)\s*$/.exec(each)?.[1]).find(Boolean);
  return { tag: range.trim().toLowerCase().split("-")[0] ?? "", quality: Number(quality ?? 1) };
}

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** Like "3.4 MB": in thousands, as registries and disks are sold. */
export function formatBytes(bytes: number, language: Language): string {
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
  const value = bytes / 1000 ** power;
  const digits = power === 0 || value >= 100 ? 0 : 1;
  const number = new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);
  return `${number} ${UNITS[power]}`;
}

export function formatCount(count: number, language: Language): string {
  return new Intl.NumberFormat(language).format(count);
}

/** Like "3 Nov 2026", in UTC. @param at milliseconds since the epoch */
export function formatDay(at: number, language: Language): string {
  const format = new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, {
    dateStyle: "medium",
    timeZone: "UTC",
  });
  return format.format(at);
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 365 * 86_400_000],
  ["month", 30 * 86_400_000],
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
];

/** Like "yesterday", for what is known to the day. @param at milliseconds since the epoch */
export function formatDays(at: number, now: number, language: Language): string {
  const days = Math.round((at - now) / 86_400_000);
  const today = new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(0, "day");
  return Math.abs(days) < 1 ? today : formatAge(now + days * 86_400_000, now, language);
}

/** Like "3 days ago". @param at milliseconds since the epoch */
export function formatAge(at: number, now: number, language: Language): string {
  const [unit, length] = STEPS.find(([, step]) => Math.abs(now - at) >= step) ?? ["second", 1000];
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  return format.format(Math.round((at - now) / length), unit);
}
