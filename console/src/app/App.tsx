import { MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { useState } from "react";
import { BrowserRouter, Navigate, Route, Routes } from "react-router";

import { createQueryClient } from "../api/queries";
import { CompressionPage } from "../pages/CompressionPage";
import { CompressionsPage } from "../pages/CompressionsPage";
import { DevicePage } from "../pages/DevicePage";
import { DevicesPage } from "../pages/DevicesPage";
import { EnrolmentPage } from "../pages/EnrolmentPage";
import { LivePage } from "../pages/LivePage";
import { MissingPage } from "../pages/MissingPage";
import { ModelPage } from "../pages/ModelPage";
import { ModelsPage } from "../pages/ModelsPage";
import { PushPage } from "../pages/PushPage";
import { RolloutPage } from "../pages/RolloutPage";
import { RolloutsPage } from "../pages/RolloutsPage";
import { SitesPage } from "../pages/SitesPage";
import { SignedIn } from "./SignedIn";
import { theme } from "./theme";

function Pages() {
  return (
    <Routes>
      <Route element={<SignedIn />}>
        <Route index element={<Navigate to="/devices" replace />} />
        <Route path="devices" element={<DevicesPage />} />
        <Route path="devices/:device" element={<DevicePage />} />
        <Route path="models" element={<ModelsPage />} />
        <Route path="models/:model" element={<ModelPage />} />
        <Route path="models/:model/versions/:version/roll-out" element={<PushPage />} />
        <Route path="compressions" element={<CompressionsPage />} />
        <Route path="compressions/:compression" element={<CompressionPage />} />
        <Route path="rollouts" element={<RolloutsPage />} />
        <Route path="rollouts/:rollout" element={<RolloutPage />} />
        <Route path="live" element={<LivePage />} />
        <Route path="sites" element={<SitesPage />} />
        <Route path="enrolment" element={<EnrolmentPage />} />
        <Route path="*" element={<MissingPage />} />
      </Route>
    </Routes>
  );
}

export function App() {
  const [queryClient] = useState(createQueryClient);
  return (
    // No style elements are written into the page: the variables are in the style sheets.
    <MantineProvider
      theme={theme}
      defaultColorScheme="auto"
      withCssVariables={false}
      withGlobalClasses={false}
    >
      <QueryClientProvider client={queryClient}>
        <BrowserRouter>
          <Pages />
        </BrowserRouter>
      </QueryClientProvider>
    </MantineProvider>
  );
}
