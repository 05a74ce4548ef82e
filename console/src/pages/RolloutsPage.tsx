import { Anchor, Button, Select, Table, Text } from "@mantine/core";
import { Link } from "react-router";

import { useRollouts } from "../api/rollouts";
import type { Rollout } from "../api/types";
import { Ago } from "../parts/Ago";
import { Answer } from "../parts/Answer";
import { Empty } from "../parts/Empty";
import { Mark } from "../parts/Mark";
import { Page } from "../parts/Page";
import { Pager } from "../parts/Pager";
import { Panel } from "../parts/Panel";
import { useAddress } from "../parts/useAddress";
import { rolloutTone } from "../text/status";
import { RolloutBar } from "./rollout/RolloutBar";

const names = ["state", "cursor"] as const;
const states = ["running", "paused", "succeeded", "stopped", "reverting", "reverted"];

function Row({ rollout }: { rollout: Rollout }) {
  const { counts } = rollout;
  return (
    <Table.Tr>
      <Table.Td>
        <Anchor component={Link} to={`/rollouts/${rollout.id}`} fw={550} size="sm">
          {rollout.name || `${rollout.model} v${rollout.version}`}
        </Anchor>
        <Text size="xs" c="dimmed">
          {rollout.model} v{rollout.version}
        </Text>
      </Table.Td>
      <Table.Td>
        <Mark
          tone={rolloutTone(rollout.state)}
          text={rollout.state}
          title={rollout.reason ?? undefined}
        />
      </Table.Td>
      <Table.Td w={220}>
        <RolloutBar counts={counts} />
      </Table.Td>
      <Table.Td>
        {counts.succeeded} of {counts.total}
      </Table.Td>
      <Table.Td>
        <Ago ms={rollout.created_ms} />
      </Table.Td>
      <Table.Td>{rollout.created_by}</Table.Td>
    </Table.Tr>
  );
}

function Rollouts({ rollouts }: { rollouts: Rollout[] }) {
  if (rollouts.length === 0) {
    return <Empty text="No rollout here.">Start one from a model's version.</Empty>;
  }
  return (
    <Table highlightOnHover aria-label="Rollouts">
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Rollout</Table.Th>
          <Table.Th>State</Table.Th>
          <Table.Th>Devices</Table.Th>
          <Table.Th>Done</Table.Th>
          <Table.Th>Started</Table.Th>
          <Table.Th>By</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {rollouts.map((rollout) => (
          <Row key={rollout.id} rollout={rollout} />
        ))}
      </Table.Tbody>
    </Table>
  );
}

/** Every rollout, newest first. */
export function RolloutsPage() {
  const [query, change] = useAddress(names);
  return (
    <Page
      title="Rollouts"
      actions={
        <>
          <Select
            aria-label="State"
            placeholder="Every state"
            clearable
            data={states}
            value={query.state ?? null}
            onChange={(state) => change({ state: state ?? undefined, cursor: undefined })}
          />
          <Button component={Link} to="/models" variant="default">
            Choose a model
          </Button>
        </>
      }
    >
      <Answer query={useRollouts(query)} waiting="Fetching the rollouts">
        {({ items, next_cursor }) => (
          <>
            <Panel flush>
              <Rollouts rollouts={items} />
            </Panel>
            <Pager cursor={query.cursor} next={next_cursor} go={(cursor) => change({ cursor })} />
          </>
        )}
      </Answer>
    </Page>
  );
}
