import { Anchor, Stack, Text } from "@mantine/core";
import { Link, useParams } from "react-router";

import { useRollout } from "../api/rollouts";
import type { Rollout } from "../api/types";
import { Ago } from "../parts/Ago";
import { Answer } from "../parts/Answer";
import { Columns } from "../parts/Columns";
import { Facts } from "../parts/Facts";
import { Mark } from "../parts/Mark";
import { Page } from "../parts/Page";
import { Panel } from "../parts/Panel";
import { rolloutTone } from "../text/status";
import { RolloutActions } from "./rollout/RolloutActions";
import { RolloutBar } from "./rollout/RolloutBar";
import { RefusedDevices, RolloutDevices } from "./rollout/RolloutDevices";
import { RolloutWaves } from "./rollout/RolloutWaves";

const parent = { to: "/rollouts", text: "Rollouts" };

function Content({ rollout }: { rollout: Rollout }) {
  const { model, version, counts } = rollout;
  return (
    <Page
      title={rollout.name || `${model} v${version}`}
      parent={parent}
      mark={
        <span data-testid="rollout-state" role="status">
          <Mark tone={rolloutTone(rollout.state)} text={rollout.state} />
        </span>
      }
      actions={<RolloutActions rollout={rollout} />}
    >
      <Panel
        title="Progress"
        aside={<Text size="sm">{`${counts.succeeded} of ${counts.total}`}</Text>}
      >
        <Stack gap="sm">
          {rollout.reason && <Text size="sm">{rollout.reason}</Text>}
          <RolloutBar counts={counts} legend />
        </Stack>
      </Panel>
      <Columns>
        <Panel title="Waves">
          <RolloutWaves rollout={rollout} />
        </Panel>
        <Panel title="Record">
          <Facts
            facts={[
              [
                "Model",
                <Anchor component={Link} to={`/models/${model}`} size="sm">
                  {model} v{version}
                </Anchor>,
              ],
              ["Started", <Ago ms={rollout.created_ms} />],
              ["By", rollout.created_by],
              ["Ended", rollout.finished_ms ? <Ago ms={rollout.finished_ms} /> : null],
            ]}
          />
        </Panel>
      </Columns>
      <RolloutDevices devices={rollout.devices} />
      <RefusedDevices refused={rollout.refused} />
    </Page>
  );
}

/** One rollout as it goes. */
export function RolloutPage() {
  const id = useParams()["rollout"] ?? "";
  const query = useRollout(id);
  if (query.data) return <Content rollout={query.data} />;
  return (
    <Page title="Rollout" parent={parent}>
      <Answer query={query} waiting="Fetching the rollout">
        {() => null}
      </Answer>
    </Page>
  );
}
