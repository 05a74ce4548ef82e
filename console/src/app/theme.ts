import { createTheme } from "@mantine/core";

/** Few words: what differs from the library's own look. Its variables are in base.css. */
export const theme = createTheme({
  primaryColor: "indigo",
  cursorType: "pointer",
  components: {
    // Locking the page's scroll writes a <style> element, which the page's policy forbids.
    Modal: { defaultProps: { lockScroll: false, centered: true } },
    Table: { defaultProps: { verticalSpacing: "xs", horizontalSpacing: "md" } },
  },
});
