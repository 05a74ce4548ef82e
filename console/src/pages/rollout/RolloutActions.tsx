import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";

import { useRolloutAction } from "../../api/rollouts";
import { useMay } from "../../api/session";
import type { Rollout } from "../../api/types";
import { ProblemAlert } from "../../parts/ProblemAlert";

/** Pause, resume and revert, as far as the rollout's state allows. */
export function RolloutActions({ rollout }: { rollout: Rollout }) {
  const mayAct = useMay("operate");
  const action = useRolloutAction(rollout.id);
  const [asking, { open, close }] = useDisclosure(false);
  const { state, paused } = rollout;
  if (!mayAct) return null;
  const moves = state === "running" || state === "paused";
  const revertible = moves || state === "succeeded" || state === "stopped";
  const busy = (name: string) => action.isPending && action.variables === name;
  return (
    <Stack gap="xs" align="flex-end">
      <Group gap="sm">
        {moves && !paused && (
          <Button variant="default" loading={busy("pause")} onClick={() => action.mutate("pause")}>
            Pause
          </Button>
        )}
        {moves && paused && (
          <Button loading={busy("resume")} onClick={() => action.mutate("resume")}>
            Resume
          </Button>
        )}
        {revertible && (
          <Button variant="light" color="red" loading={busy("revert")} onClick={open}>
            Revert…
          </Button>
        )}
      </Group>
      <ProblemAlert error={action.error} />
      <Modal opened={asking} onClose={close} title="Revert this rollout?">
        <Text size="sm">
          Every device of the rollout goes back to the version that it ran before.
        </Text>
        <Group justify="flex-end" mt="lg">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button
            color="red"
            onClick={() => {
              action.mutate("revert");
              close();
            }}
          >
            Revert
          </Button>
        </Group>
      </Modal>
    </Stack>
  );
}
