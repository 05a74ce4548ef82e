import { Button, Group, Modal, Select, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useState } from "react";

import { useLabel, useLabels } from "../../api/learning";
import type { ResultRow } from "../../api/types";
import { Answer } from "../../parts/Answer";
import { ProblemAlert } from "../../parts/ProblemAlert";

function Form({ result }: { result: ResultRow }) {
  const labels = useLabels(result.model, result.version, true);
  const label = useLabel(result);
  const [chosen, choose] = useState<string | null>(result.label);
  return (
    <Answer query={labels} waiting="Fetching the labels">
      {(slugs) => (
        <Stack>
          <Select
            label="What is true"
            description="The model learns from it, on this device only."
            data={slugs}
            value={chosen}
            onChange={choose}
            searchable
          />
          <ProblemAlert error={label.error} />
          {label.data && (
            <Text size="sm" role="status">
              Learned; {label.data.right ? "the model had said so" : "the model had said otherwise"}
              . It has learned from {label.data.samples} results since its release.
              {label.data.drift && " Its errors had risen: what it had learned begins anew."}
            </Text>
          )}
          <Group justify="flex-end">
            <Button
              disabled={chosen === null || label.isSuccess}
              loading={label.isPending}
              onClick={() => chosen !== null && label.mutate(chosen)}
            >
              Learn
            </Button>
          </Group>
        </Stack>
      )}
    </Answer>
  );
}

/** A button by which somebody says what is true of a result. */
export function ResultLabel({ result }: { result: ResultRow }) {
  const [opened, { open, close }] = useDisclosure(false);
  return (
    <>
      <Button
        size="compact-xs"
        variant="default"
        aria-label={`Label ${result.label}`}
        onClick={open}
      >
        Label…
      </Button>
      <Modal opened={opened} onClose={close} title={`The device said ${result.label}`}>
        <Form result={result} />
      </Modal>
    </>
  );
}
