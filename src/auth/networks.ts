/** Network addresses, as far as whoever has one has others. */

export interface Networks {
  /** What one caller has: an IPv4 address, or an IPv6 network of 64 bits. */
  own: string;
  /** What one customer of a provider may have: an IPv6 network of 48 bits. Null for IPv4. */
  wider: string | null;
}

/** @param address as Cloudflare writes it; anything else is taken as it is */
export function networksOf(address: string): Networks {
  if (!address.includes(":")) return { own: address, wider: null };
  const groups = expand(address);
  return { own: groups.slice(0, 4).join(":"), wider: groups.slice(0, 3).join(":") };
}

/** The groups of an IPv6 address, without leading zeros. */
function expand(address: string): string[] {
  const [head = "", tail = ""] = address.toLowerCase().split("::");
  const left = head.split(":").filter(Boolean);
  const right = tail.split(":").filter(Boolean);
  const zeros = Array<string>(Math.max(8 - left.length - right.length, 0)).fill("0");
  return [...left, ...(address.includes("::") ? zeros : []), ...right].map((group) =>
    group.replace(/^0+(?=.)/, ""),
  );
}
