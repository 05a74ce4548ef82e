import { Button, Table, VisuallyHidden } from "@mantine/core";

import { useEnrolmentTokens, useRevokeEnrolmentToken } from "../../api/enrolment";
import type { EnrolmentToken } from "../../api/types";
import { Ago } from "../../parts/Ago";
import { Answer } from "../../parts/Answer";
import { Empty } from "../../parts/Empty";
import { Mark } from "../../parts/Mark";
import { Panel } from "../../parts/Panel";
import { ProblemAlert } from "../../parts/ProblemAlert";
import { useNow } from "../../parts/useNow";
import { dateTime } from "../../text/format";
import { tokenState } from "./tokenState";

function Row({ token, revoke }: { token: EnrolmentToken; revoke: () => void }) {
  const state = tokenState(token, useNow());
  return (
    <Table.Tr>
      <Table.Td>
        <code>{token.id}</code>
      </Table.Td>
      <Table.Td>{token.kind}</Table.Td>
      <Table.Td>{token.site}</Table.Td>
      <Table.Td>
        <Mark tone={state === "open" ? "good" : "quiet"} text={state} />
      </Table.Td>
      <Table.Td>
        {token.used} of {token.uses}
      </Table.Td>
      <Table.Td>
        <Ago ms={token.created_ms} />
      </Table.Td>
      <Table.Td>{dateTime(token.expires_ms)}</Table.Td>
      <Table.Td ta="right">
        {state === "open" && (
          <Button
            size="compact-sm"
            variant="subtle"
            color="red"
            onClick={revoke}
            aria-label={`Revoke token ${token.id}`}
          >
            Revoke
          </Button>
        )}
      </Table.Td>
    </Table.Tr>
  );
}

/** The tokens that were made, newest first. */
export function TokenTable() {
  const revoke = useRevokeEnrolmentToken();
  return (
    <Panel title="Tokens" flush>
      <ProblemAlert error={revoke.error} />
      <Answer query={useEnrolmentTokens()} waiting="Fetching the tokens">
        {(tokens) =>
          tokens.length === 0 ? (
            <Empty text="No token has been made." />
          ) : (
            <Table aria-label="Enrolment tokens">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>Token</Table.Th>
                  <Table.Th>For</Table.Th>
                  <Table.Th>Site</Table.Th>
                  <Table.Th>State</Table.Th>
                  <Table.Th>Used</Table.Th>
                  <Table.Th>Made</Table.Th>
                  <Table.Th>Expires</Table.Th>
                  <Table.Th>
                    <VisuallyHidden>Actions</VisuallyHidden>
                  </Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {tokens.map((token) => (
                  <Row key={token.id} token={token} revoke={() => revoke.mutate(token.id)} />
                ))}
              </Table.Tbody>
            </Table>
          )
        }
      </Answer>
    </Panel>
  );
}
