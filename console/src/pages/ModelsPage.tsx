import { Anchor, Button, Table, Text, VisuallyHidden } from "@mantine/core";
import { Link } from "react-router";

import { useModels } from "../api/models";
import { useMay } from "../api/session";
import type { Model } from "../api/types";
import { Ago } from "../parts/Ago";
import { Answer } from "../parts/Answer";
import { Empty } from "../parts/Empty";
import { Page } from "../parts/Page";
import { Pager } from "../parts/Pager";
import { Panel } from "../parts/Panel";
import { useAddress } from "../parts/useAddress";
import { bytes, counted } from "../text/format";

const names = ["cursor"] as const;

function Row({ model, mayRollOut }: { model: Model; mayRollOut: boolean }) {
  return (
    <Table.Tr>
      <Table.Td>
        <Anchor component={Link} to={`/models/${model.id}`} fw={550} size="sm">
          {model.id}
        </Anchor>
        <Text size="xs" c="dimmed">
          {model.task}
        </Text>
      </Table.Td>
      <Table.Td>v{model.latest}</Table.Td>
      <Table.Td>{counted(model.versions, "version")}</Table.Td>
      <Table.Td>{bytes(model.bytes_smallest)}</Table.Td>
      <Table.Td>{counted(model.devices, "device")}</Table.Td>
      <Table.Td>
        <Ago ms={model.created_ms} />
      </Table.Td>
      <Table.Td ta="right">
        {mayRollOut && (
          <Button
            component={Link}
            to={`/models/${model.id}/versions/${model.latest}/roll-out`}
            size="xs"
            aria-label={`Roll out v${model.latest} of ${model.id}`}
          >
            Roll out v{model.latest}
          </Button>
        )}
      </Table.Td>
    </Table.Tr>
  );
}

function Models({ models }: { models: Model[] }) {
  const mayRollOut = useMay("operate");
  if (models.length === 0) {
    return (
      <Empty text="No model has been pushed yet.">
        Push one with <code>noroshi model push</code>.
      </Empty>
    );
  }
  return (
    <Table highlightOnHover aria-label="Models">
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Model</Table.Th>
          <Table.Th>Latest</Table.Th>
          <Table.Th>Versions</Table.Th>
          <Table.Th>Smallest file</Table.Th>
          <Table.Th>Runs on</Table.Th>
          <Table.Th>Since</Table.Th>
          <Table.Th>
            <VisuallyHidden>Actions</VisuallyHidden>
          </Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {models.map((model) => (
          <Row key={model.id} model={model} mayRollOut={mayRollOut} />
        ))}
      </Table.Tbody>
    </Table>
  );
}

/** Every model of the organisation. */
export function ModelsPage() {
  const [{ cursor }, change] = useAddress(names);
  return (
    <Page title="Models" about="Signed versions, and the files that run them">
      <Answer query={useModels(cursor)} waiting="Fetching the models">
        {({ items, next_cursor }) => (
          <>
            <Panel flush>
              <Models models={items} />
            </Panel>
            <Pager cursor={cursor} next={next_cursor} go={(next) => change({ cursor: next })} />
          </>
        )}
      </Answer>
    </Page>
  );
}
