import { Center } from "@mantine/core";
import { Outlet } from "react-router";

import { useSession } from "../api/session";
import { SignInPage } from "../pages/SignInPage";
import { ProblemAlert } from "../parts/ProblemAlert";
import { Waiting } from "../parts/Waiting";
import { Shell } from "./Shell";

/** Shows the pages to whoever is signed in, else the sign-in page at the same address. */
export function SignedIn() {
  const session = useSession();
  if (session.data) {
    return (
      <Shell caller={session.data}>
        <Outlet />
      </Shell>
    );
  }
  if (session.data === null) return <SignInPage />;
  return (
    <Center mih="100vh" p="md">
      {session.error ? (
        <ProblemAlert error={session.error} retry={() => void session.refetch()} />
      ) : (
        <Waiting text="Asking the cloud who you are" />
      )}
    </Center>
  );
}
