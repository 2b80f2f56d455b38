import { request } from "./registry.ts";

/** Sets a policy that makes tags immutable. */
export async function setPolicy(
  name: string,
  repositories: string[],
  tags: string[],
  except: string[] = [],
): Promise<void> {
  const body = JSON.stringify({ kind: "immutable", repositories, tags, except });
  const response = await request("PUT", `/v2/_berth/policies/${name}`, { body });
  if (response.status !== 200) throw new Error(`the policy is refused: ${await response.text()}`);
}

export function removePolicy(name: string): Promise<Response> {
  return request("DELETE", `/v2/_berth/policies/${name}`);
}
