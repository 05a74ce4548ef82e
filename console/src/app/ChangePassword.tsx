import { Button, Modal, PasswordInput, Stack, Text } from "@mantine/core";
import { useState, type FormEvent } from "react";

import { useChangePassword } from "../api/session";
import { ProblemAlert } from "../parts/ProblemAlert";

const shortest = 10;

function Form({ name }: { name: string }) {
  const change = useChangePassword(name);
  const [current, setCurrent] = useState("");
  const [password, setPassword] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    change.mutate({ current, password });
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <Text size="sm">You will be signed out everywhere; API tokens go on.</Text>
        <PasswordInput
          label="Password until now"
          autoComplete="current-password"
          required
          value={current}
          onChange={(event) => setCurrent(event.currentTarget.value)}
        />
        <PasswordInput
          label="New password"
          description={`${shortest} characters or more`}
          autoComplete="new-password"
          required
          minLength={shortest}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <ProblemAlert error={change.error} />
        <Button type="submit" loading={change.isPending}>
          Change password
        </Button>
      </Stack>
    </form>
  );
}

interface Props {
  name: string;
  opened: boolean;
  close: () => void;
}

/** Another password for whoever is signed in and knows the one until now. */
export function ChangePassword({ name, opened, close }: Props) {
  return (
    <Modal opened={opened} onClose={close} title="Change password">
      <Form name={name} />
    </Modal>
  );
}
