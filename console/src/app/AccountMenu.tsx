import { Button, Menu, useMantineColorScheme } from "@mantine/core";
import { useState } from "react";

import { useSignOut } from "../api/session";
import type { Caller } from "../api/types";
import { Icon } from "../parts/Icon";
import { ChangePassword } from "./ChangePassword";

const schemes = [
  { scheme: "auto", text: "Colours of the system" },
  { scheme: "light", text: "Light" },
  { scheme: "dark", text: "Dark" },
] as const;

/** Who is signed in, the colours, and the way out. */
export function AccountMenu({ caller }: { caller: Caller }) {
  const signOut = useSignOut();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const [changing, setChanging] = useState(false);
  return (
    <>
      <ChangePassword name={caller.name} opened={changing} close={() => setChanging(false)} />
      <Menu position="top-start" width={250}>
        <Menu.Target>
          <Button
            variant="subtle"
            color="gray"
            justify="flex-start"
            px="xs"
            leftSection={<Icon name="user" size={18} />}
            aria-label={`Account ${caller.name}`}
          >
            {caller.name}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>Scope: {caller.scope}</Menu.Label>
          <Menu.Divider />
          {schemes.map(({ scheme, text }) => (
            <Menu.Item
              key={scheme}
              onClick={() => setColorScheme(scheme)}
              rightSection={colorScheme === scheme ? <Icon name="tick" size={16} /> : null}
            >
              {text}
            </Menu.Item>
          ))}
          <Menu.Divider />
          <Menu.Item onClick={() => setChanging(true)}>Change password</Menu.Item>
          <Menu.Item color="red" onClick={() => signOut.mutate()}>
            Sign out
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </>
  );
}
