/** Giving an image another tag: a push of the manifest that is there already. */

import { Hono } from "hono";
import { RegistryError } from "../../oci/errors.ts";
import { parseManifest } from "../../oci/manifest.ts";
import { parseNewTag } from "../../oci/reference.ts";
import { actorOf } from "../../routes/context.ts";
import { type PushOutcome, putManifest } from "../../storage/manifest-push.ts";
import { storesOf } from "../../storage/stores.ts";
import { authorize } from "../access.ts";
import type { View, WebEnv } from "../context.ts";
import { readText } from "../image.ts";
import { FormToken } from "../parts/forms.tsx";
import { Crumbs, placePath } from "../parts/navigation.tsx";
import { render } from "../render.tsx";
import { readForm } from "../session.ts";

export const retag = new Hono<WebEnv>();

// GET /retag/<name>/<tag or digest>
retag.get("/retag/:name{.+}/:reference", async (c) => {
  const name = authorize(c, "push");
  const { info } = await readText(storesOf(c.env, name), name, c.req.param("reference"));
  return render(c, c.get("texts").retag, (view) => <Retag view={view} name={name} digest={info.digest} />);
});

// POST /retag/<name>/<tag or digest>
retag.post("/retag/:name{.+}/:reference", async (c) => {
  const name = authorize(c, "push");
  const tag = parseNewTag(((await readForm(c)).tag ?? "").trim());
  const stores = storesOf(c.env, name, c.get("settings").databaseLimit);
  const { info, text } = await readText(stores, name, c.req.param("reference"));
  const { digest, mediaType } = info;
  const bytes = new TextEncoder().encode(text);
  const pushed = { manifest: parseManifest(text, mediaType), digest, bytes, text, tags: [tag] };
  const by = actorOf(c);
  const sparse = c.get("settings").allowSparseIndexes;
  refuse(await putManifest(stores, name, pushed, sparse, by, Date.now()));
  return c.redirect(placePath("image", name, tag), 303);
});

/** @throws RegistryError unless it was accepted */
function refuse(outcome: PushOutcome): void {
  switch (outcome.kind) {
    case "accepted":
      return;
    case "immutable": {
      const { tag, policy } = outcome.tag;
      const message = `the policy ${policy} keeps the tag ${tag} as it is: choose another tag, or have an administrator change the policy`;
      throw new RegistryError("DENIED", message, { status: 409 });
    }
    case "missing":
      throw new RegistryError("DENIED", "a part of the image is not here any more: push it again", {
        status: 409,
      });
    case "over-quota": {
      const { quota, used, allowed } = outcome.quota;
      const message = `the quota ${quota} has no room for this, as ${used} of ${allowed} bytes are used: delete images, or have an administrator allow more`;
      throw new RegistryError("DENIED", message);
    }
  }
}

function Retag({ view, name, digest }: { view: View; name: string; digest: string }) {
  const { texts } = view;
  return (
    <>
      <Crumbs view={view} name={name} />
      <h1>{texts.retag}</h1>
      <p class="digest">{digest}</p>
      <form method="post" action={placePath("retag", name, digest)}>
        <FormToken view={view} />
        <label for="tag">{texts.newTag}</label>
        <input id="tag" name="tag" autocomplete="off" autocapitalize="none" maxlength={128} required />
        <p class="muted">{texts.newTagMeans}</p>
        <p>
          <button type="submit">{texts.retag}</button>
        </p>
      </form>
    </>
  );
}
