/** Garbage collection: what the last runs took, and another one on demand. Admins only. */

import { Hono } from "hono";
import { collectGarbage } from "../../gc/collect.ts";
import type { CollectionReport } from "../../gc/report.ts";
import { RegistryError } from "../../oci/errors.ts";
import { actorOf } from "../../routes/context.ts";
import { listAllRuns } from "../../storage/across/runs.ts";
import { requireAdmin } from "../access.ts";
import type { View, WebEnv } from "../context.ts";
import { FormToken } from "../parts/forms.tsx";
import { Age, Bytes, Count } from "../parts/values.tsx";
import { render } from "../render.tsx";
import { readForm } from "../session.ts";

const RUNS_LISTED = 20;

export const collection = new Hono<WebEnv>();

// GET /collection
collection.get("/collection", async (c) => {
  requireAdmin(c);
  const runs = (await listAllRuns(c.env, RUNS_LISTED)) as CollectionReport[];
  return render(c, c.get("texts").places.collection, (view) => <Page view={view} runs={runs} dry={null} />);
});

// POST /collection
collection.post("/collection", async (c) => {
  requireAdmin(c);
  const dryRun = (await readForm(c)).what !== "run";
  const report = await collectGarbage(c.env, { dryRun, by: actorOf(c) });
  if (report === null)
    throw new RegistryError("TOOMANYREQUESTS", "another collection is under way: wait for it to end");
  if (!dryRun) return c.redirect("/collection", 303);
  const runs = (await listAllRuns(c.env, RUNS_LISTED)) as CollectionReport[];
  return render(c, c.get("texts").places.collection, (view) => <Page view={view} runs={runs} dry={report} />);
});

interface Props {
  view: View;
  /** The newest first. */
  runs: CollectionReport[];
  /** What a run would take now; null when that was not asked. */
  dry: CollectionReport | null;
}

function Page({ view, runs, dry }: Props) {
  const { texts } = view;
  return (
    <>
      <h1>{texts.places.collection}</h1>
      <p>{texts.collectionMeans}</p>
      <form method="post" action="/collection" class="row">
        <FormToken view={view} />
        <button type="submit" name="what" value="dry" class="quiet">
          {texts.dryRun}
        </button>
        <button type="submit" name="what" value="run">
          {texts.runNow}
        </button>
      </form>
      {dry === null ? null : (
        <section role="status">
          <h2>{texts.wouldTake}</h2>
          <Runs view={view} runs={[dry]} caption={texts.wouldTake} />
        </section>
      )}
      <h2>{texts.lastRuns}</h2>
      {runs.length === 0 ? <p>{texts.noRuns}</p> : <Runs view={view} runs={runs} caption={texts.lastRuns} />}
    </>
  );
}

function Runs({ view, runs, caption }: { view: View; runs: CollectionReport[]; caption: string }) {
  const { texts } = view;
  return (
    <table class="stack">
      <caption class="visually-hidden">{caption}</caption>
      <thead>
        <tr>
          <th scope="col">{texts.started}</th>
          <th scope="col">{texts.outcome}</th>
          <th scope="col">{texts.taken}</th>
          <th scope="col" class="number">
            {texts.objectsDeleted}
          </th>
          <th scope="col" class="number">
            {texts.waiting}
          </th>
        </tr>
      </thead>
      <tbody>
        {runs.map((run) => (
          <tr>
            <th scope="row">
              <Age view={view} at={run.startedAt} />
            </th>
            <td data-label={texts.outcome}>
              <span class={run.outcome === "failed" ? "mark bad" : "mark"}>
                {texts.outcomes[run.outcome]}
              </span>
              {run.error === null ? null : <span lang="en">{run.error}</span>}
            </td>
            <td data-label={texts.taken}>
              <Taken view={view} run={run} />
            </td>
            <td class="number" data-label={texts.objectsDeleted}>
              <Count view={view} count={run.objectsDeleted} />
            </td>
            <td class="number" data-label={texts.waiting}>
              <Bytes view={view} bytes={run.waiting.bytes} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Taken({ view, run }: { view: View; run: CollectionReport }) {
  const kinds = Object.entries(run.taken).filter(([, { count }]) => count > 0);
  if (kinds.length === 0) return <span class="muted">{view.texts.nothing}</span>;
  return (
    <ul class="plain">
      {kinds.map(([kind, { count, bytes }]) => (
        <li>
          {view.texts.takenKinds[kind as keyof CollectionReport["taken"]]}:{" "}
          <Count view={view} count={count} />
          {bytes === 0 ? null : (
            <>
              , <Bytes view={view} bytes={bytes} />
            </>
          )}
        </li>
      ))}
    </ul>
  );
}
