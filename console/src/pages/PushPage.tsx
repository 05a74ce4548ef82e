import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { useNavigate, useParams } from "react-router";

import { usePipelines } from "../api/models";
import { useCompatibility, useCreateRollout } from "../api/rollouts";
import type { Pipeline } from "../api/types";
import { Answer } from "../parts/Answer";
import { Columns } from "../parts/Columns";
import { Page } from "../parts/Page";
import { Panel } from "../parts/Panel";
import { ProblemAlert } from "../parts/ProblemAlert";
import { Advanced } from "./rollout/Advanced";
import { ChooseDevices } from "./rollout/ChooseDevices";
import { selectionOf, type Choice } from "./rollout/choice";
import { goodSettings, sentSettings } from "./rollout/settings";
import { WillItRun } from "./rollout/WillItRun";

interface Props {
  model: string;
  version: number;
  pipelines: Pipeline[];
}

function Form({ model, version, pipelines }: Props) {
  const navigate = useNavigate();
  const create = useCreateRollout();
  const [choice, choose] = useState<Choice>({ kind: "model" });
  const [settings, change] = useState(goodSettings);
  const selection = selectionOf(choice, pipelines);
  const everyone = selectionOf({ kind: "model" }, pipelines);
  const candidates = useCompatibility(model, version, everyone);
  const compatibility = useCompatibility(model, version, selection);
  const sent = sentSettings(settings);

  const rollOut = () => {
    if (!selection || !sent) return;
    create.mutate(
      { model, version, selection, ...sent },
      { onSuccess: ({ id }) => void navigate(`/rollouts/${id}`) },
    );
  };

  return (
    <Stack gap="lg">
      {pipelines.length === 0 && (
        <Alert color="yellow" title="No pipeline runs this model yet">
          A rollout changes the version of pipelines that run the model. Assign the first one with{" "}
          <code>noroshi pipeline apply</code>.
        </Alert>
      )}
      <Columns>
        <Panel title="For which devices">
          <ChooseDevices
            model={model}
            pipelines={pipelines}
            candidates={candidates.data ?? []}
            choice={choice}
            choose={choose}
          />
        </Panel>
        <Stack gap="lg">
          <Panel title="Will it run?">
            <WillItRun
              query={compatibility}
              running={new Set(pipelines.flatMap(({ devices }) => devices))}
            />
          </Panel>
          <Panel title="How">
            <Stack gap="xs">
              <Text size="sm">
                In waves of {settings.waves} % of the devices. Each device tests the model before it
                switches; when more than {settings.maxFailuresPercent} % of a wave fail, everything
                goes back to what ran before.
              </Text>
              <Advanced settings={settings} change={change} />
            </Stack>
          </Panel>
          <ProblemAlert error={create.error} />
          <Group>
            <Button
              size="md"
              onClick={rollOut}
              loading={create.isPending}
              disabled={!selection || !sent}
            >
              Roll out
            </Button>
          </Group>
        </Stack>
      </Columns>
    </Stack>
  );
}

/** Sends a model version to a selection of devices. */
export function PushPage() {
  const { model = "", version = "" } = useParams();
  return (
    <Page title={`Roll out ${model} v${version}`} parent={{ to: `/models/${model}`, text: model }}>
      <Answer query={usePipelines()} waiting="Fetching the pipelines">
        {(pipelines) => (
          <Form
            model={model}
            version={Number(version)}
            pipelines={pipelines.filter((pipeline) => pipeline.model === model)}
          />
        )}
      </Answer>
    </Page>
  );
}
