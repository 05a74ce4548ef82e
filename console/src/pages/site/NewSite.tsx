import { Button, Group, Stack, TextInput } from "@mantine/core";
import { useState, type FormEvent } from "react";

import { useCreateSite } from "../../api/sites";
import { Panel } from "../../parts/Panel";
import { ProblemAlert } from "../../parts/ProblemAlert";

/** Adds a site by its name. */
export function NewSite() {
  const create = useCreateSite();
  const [name, setName] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate(name.trim(), { onSuccess: () => setName("") });
  };
  return (
    <Panel title="New site">
      <form onSubmit={submit}>
        <Stack>
          <Group align="flex-end">
            <TextInput
              label="Name"
              description="For people; an id is made from it"
              required
              maxLength={100}
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
            />
            <Button type="submit" loading={create.isPending} disabled={name.trim() === ""}>
              Add site
            </Button>
          </Group>
          <ProblemAlert error={create.error} />
        </Stack>
      </form>
    </Panel>
  );
}
