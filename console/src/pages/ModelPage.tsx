import { Stack } from "@mantine/core";
import { useParams } from "react-router";

import { useVersions } from "../api/models";
import { Answer } from "../parts/Answer";
import { Empty } from "../parts/Empty";
import { Page } from "../parts/Page";
import { Panel } from "../parts/Panel";
import { VersionPanel } from "./model/VersionPanel";

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
          </Stack>
        )}
      </Answer>
    </Page>
  );
}
