import { Button, Group, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { useEffect, useState, type FormEvent } from "react";

import { useSignIn } from "../api/session";
import { Icon } from "../parts/Icon";
import { ProblemAlert } from "../parts/ProblemAlert";
import classes from "./SignInPage.module.css";

/** Name and password for a session cookie. */
export function SignInPage() {
  const signIn = useSignIn();
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  useEffect(() => {
    document.title = "Sign in · Noroshi";
  }, []);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    signIn.mutate({ username, password });
  };

  return (
    <main className={classes.stage}>
      <form className={classes.card} onSubmit={submit}>
        <Stack>
          <div>
            <Group gap="xs">
              <Icon name="beacon" size={30} />
              <Title order={1} size="h2">
                Noroshi
              </Title>
            </Group>
            <Text c="dimmed" size="sm" mt={4}>
              Sign in to your fleet
            </Text>
          </div>
          <ProblemAlert error={signIn.error} />
          <TextInput
            label="User"
            name="username"
            autoComplete="username"
            required
            withAsterisk={false}
            autoFocus
            value={username}
            onChange={(event) => setUsername(event.currentTarget.value)}
          />
          <PasswordInput
            label="Password"
            name="password"
            autoComplete="current-password"
            required
            withAsterisk={false}
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
          />
          <Button type="submit" loading={signIn.isPending}>
            Sign in
          </Button>
        </Stack>
      </form>
    </main>
  );
}
