import { Empty } from "../parts/Empty";
import { Page } from "../parts/Page";
import { Panel } from "../parts/Panel";

/** An address that leads nowhere. */
export function MissingPage() {
  return (
    <Page title="Not found">
      <Panel>
        <Empty text="There is no such page.">Choose one from the menu.</Empty>
      </Panel>
    </Page>
  );
}
