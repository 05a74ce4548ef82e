import { Stack } from "@mantine/core";
import { useParams } from "react-router";

import { useCompressions } from "../api/compressions";
import { useVersions } from "../api/models";
import { Answer } from "../parts/Answer";
import { Empty } from "../parts/Empty";
import { Page } from "../parts/Page";
import { Panel } from "../parts/Panel";
import { CompressionTable } from "./compression/CompressionTable";
import { VersionPanel } from "./model/VersionPanel";

/** What the cloud compressed for this model, with the reports; nothing if it never did. */
function Compressions({ model }: { model: string }) {
  const orders = useCompressions({ model }).data?.items ?? [];
  if (orders.length === 0) return null;
  return (
    <Panel flush title="Compressions">
      <CompressionTable orders={orders} />
    </Panel>
  );
}

/** A model's versions with their variants, newest first. */
export function ModelPage() {
  const model = useParams()["model"] ?? "";
  return (
    <Page title={model} parent={{ to: "/models", text: "Models" }}>
      <Answer query={useVersions(model)} waiting="Fetching the versions">
        {(versions) => (
          <Stack gap="lg">
            {versions.length === 0 && (
              <Panel>
                <Empty text="The model has no version." />
              </Panel>
            )}
            {versions.map((version) => (
              <VersionPanel key={version.version} version={version} />
            ))}
            <Compressions model={model} />
          </Stack>
        )}
      </Answer>
    </Page>
  );
}
