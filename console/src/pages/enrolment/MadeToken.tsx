import { Alert, Button, Group, Stack, Text } from "@mantine/core";

import type { EnrolmentToken } from "../../api/types";
import { CopyText } from "../../parts/CopyText";
import { Panel } from "../../parts/Panel";
import { dateTime } from "../../text/format";

function command(kind: string): string {
  const [program, config] =
    kind === "gateway" ? ["noroshi-gateway", "gateway"] : ["noroshi-agent", "agent"];
  return `${program} enrol --config /etc/noroshi/${config}.toml --token-file -`;
}

interface Props {
  token: EnrolmentToken;
  forget: () => void;
}

/** The secret, this one time, and how to use it. */
export function MadeToken({ token, forget }: Props) {
  return (
    <Panel title={`Token for a ${token.kind} at ${token.site}`}>
      <Stack>
        <Alert color="yellow" title="This is the only time the token is shown">
          Whoever has it can join the fleet until {dateTime(token.expires_ms)}.
        </Alert>
        <CopyText text={token.token ?? ""} what="token" />
        <Text size="sm">
          Run this on the {token.kind} as root, paste the token, press Enter, then Ctrl-D. The token
          is read from there, so it stays out of the shell's history.
        </Text>
        <CopyText text={command(token.kind)} what="command" />
        <Group>
          <Button variant="default" onClick={forget}>
            Done
          </Button>
        </Group>
      </Stack>
    </Panel>
  );
}
