/** How a container of an image is run. */

import type { View } from "../context.ts";
import type { ShownConfig } from "../oci-json.ts";
import { Fact, Pairs } from "./facts.tsx";

export function Configuration({ view, config }: { view: View; config: ShownConfig }) {
  const { texts } = view;
  return (
    <>
      <h2>{texts.configuration}</h2>
      <dl class="facts">
        <Fact term={texts.created}>{config.created}</Fact>
        <Fact term={texts.author}>{config.author}</Fact>
        <Fact term={texts.runsAs}>{config.user ?? texts.defaultUser}</Fact>
        <Fact term={texts.workingDirectory}>{config.workingDirectory}</Fact>
        <Fact term={texts.entrypoint}>{words(config.entrypoint)}</Fact>
        <Fact term={texts.command}>{words(config.command)}</Fact>
        <Fact term={texts.environment}>{lines(config.environment)}</Fact>
        <Fact term={texts.ports}>{lines(config.ports)}</Fact>
        <Fact term={texts.volumes}>{lines(config.volumes)}</Fact>
        <Fact term={texts.stopSignal}>{config.stopSignal}</Fact>
      </dl>
      <Pairs view={view} heading={texts.labels} pairs={config.labels} />
    </>
  );
}

/** As they stand in a Dockerfile: where one word ends is to be seen. */
function words(list: string[]) {
  return list.length === 0 ? null : <code>{JSON.stringify(list)}</code>;
}

function lines(list: string[]) {
  if (list.length === 0) return null;
  return (
    <ul class="plain">
      {list.map((each) => (
        <li>
          <code>{each}</code>
        </li>
      ))}
    </ul>
  );
}
