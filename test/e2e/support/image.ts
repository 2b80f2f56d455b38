/** The image that goes through every client: one large layer, several small ones, and a command that tells all. */

import { createHash, randomFillSync } from "node:crypto";
import { copyFileSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface BuildContext {
  directory: string;
  /** What a container of the image prints: it has read every layer. */
  output: string;
}

// The large file comes first, so that two images share no layer.
const DOCKERFILE = `FROM scratch
COPY big /big
COPY busybox /bin/busybox
COPY small-1 /small/1
COPY small-2 /small/2
COPY small-3 /small/3
RUN ["/bin/busybox", "sh", "-c", "echo made by a container > /small/4"]
CMD ["/bin/busybox", "sh", "-c", "/bin/busybox cat /small/*; /bin/busybox sha256sum /big"]
`;

/** @param size of the large layer, which does not compress, in bytes */
export function createBuildContext(workspace: string, size: number): BuildContext {
  const directory = mkdtempSync(join(workspace, "context-"));
  const big = randomFillSync(Buffer.allocUnsafe(size));
  writeFileSync(join(directory, "Dockerfile"), DOCKERFILE);
  writeFileSync(join(directory, "big"), big);
  // Debian's busybox-static: it runs with no other file in the image.
  copyFileSync("/bin/busybox", join(directory, "busybox"));
  for (const number of [1, 2, 3]) writeFileSync(join(directory, `small-${number}`), `small ${number}\n`);
  const sum = createHash("sha256").update(big).digest("hex");
  return { directory, output: `small 1\nsmall 2\nsmall 3\nmade by a container\n${sum}  /big` };
}
