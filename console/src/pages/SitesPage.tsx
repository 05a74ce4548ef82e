import { Anchor, Table, Text } from "@mantine/core";
import { Link } from "react-router";

import { useMay } from "../api/session";
import { useSites } from "../api/sites";
import type { Site } from "../api/types";
import { Answer } from "../parts/Answer";
import { Events } from "../parts/Events";
import { Presence } from "../parts/Mark";
import { Page } from "../parts/Page";
import { Panel } from "../parts/Panel";
import { counted } from "../text/format";
import { NewSite } from "./site/NewSite";

function Gateway({ site }: { site: Site }) {
  if (site.gateway) {
    return <Presence status={site.gateway.status} sinceMs={site.gateway.since_ms} />;
  }
  return (
    <Text size="sm" c="dimmed">
      {site.id === "direct" ? "none needed: the cloud serves it" : "not enrolled yet"}
    </Text>
  );
}

/** The sites, each with its gateway. */
export function SitesPage() {
  const mayCreate = useMay("admin");
  return (
    <Page title="Sites" about="A gateway serves the devices of its site, also without the cloud">
      <Answer query={useSites()} waiting="Fetching the sites">
        {(sites) => (
          <Panel flush>
            <Table highlightOnHover aria-label="Sites">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>Site</Table.Th>
                  <Table.Th>Gateway</Table.Th>
                  <Table.Th>Version</Table.Th>
                  <Table.Th>Devices</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {sites.map((site) => (
                  <Table.Tr key={site.id}>
                    <Table.Td>
                      <Text size="sm" fw={550}>
                        {site.name}
                      </Text>
                      {site.name !== site.id && (
                        <Text size="xs" c="dimmed">
                          {site.id}
                        </Text>
                      )}
                    </Table.Td>
                    <Table.Td>
                      <Gateway site={site} />
                    </Table.Td>
                    <Table.Td>{site.gateway?.version ?? "—"}</Table.Td>
                    <Table.Td>
                      <Anchor component={Link} to={`/devices?site=${site.id}`} size="sm">
                        {counted(site.devices, "device")}
                      </Anchor>
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Panel>
        )}
      </Answer>
      {mayCreate && <NewSite />}
      <Events />
    </Page>
  );
}
