//! Shapes as SVG.

use std::fmt::Write;

use super::shape::{Anchor, Color, Shape};
use super::{HEIGHT, WIDTH};

/// A document that shows the shapes.
pub(super) fn write(title: &str, shapes: &[Shape]) -> String {
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" font-family=\"system-ui, sans-serif\">\n\
         <title>{}</title>\n",
        escaped(title)
    );
    for shape in shapes {
        add(&mut text, shape);
    }
    text.push_str("</svg>\n");
    text
}

fn add(text: &mut String, shape: &Shape) {
    let written = match shape {
        Shape::Line {
            from,
            to,
            width,
            color,
        } => writeln!(
            text,
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{}\" stroke-width=\"{width}\"/>",
            from.0,
            from.1,
            to.0,
            to.1,
            name(*color)
        ),
        Shape::Rectangle { at, size, color } => writeln!(
            text,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\"/>",
            at.0,
            at.1,
            size.0,
            size.1,
            name(*color)
        ),
        Shape::Dot { at, radius, color } => writeln!(
            text,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius}\" fill=\"{}\"/>",
            at.0,
            at.1,
            name(*color)
        ),
        Shape::Text {
            at,
            size,
            anchor,
            upright,
            text: content,
            color,
        } => {
            let anchor = match anchor {
                Anchor::Start => "start",
                Anchor::Middle => "middle",
                Anchor::End => "end",
            };
            let turned = if *upright {
                format!(" transform=\"rotate(-90 {:.1} {:.1})\"", at.0, at.1)
            } else {
                String::new()
            };
            writeln!(
                text,
                "<text x=\"{:.1}\" y=\"{:.1}\" dy=\"0.35em\" font-size=\"{size}\" text-anchor=\"{anchor}\" fill=\"{}\"{turned}>{}</text>",
                at.0,
                at.1,
                name(*color),
                escaped(content)
            )
        }
    };
    written.expect("memory takes every text");
}

fn name([red, green, blue]: Color) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// Text that is only text, in XML and HTML; control characters are left out.
pub(crate) fn escaped(text: &str) -> String {
    let mut result = String::new();
    for letter in text.chars() {
        match letter {
            '&' => result.push_str("&amp;"),
            '<' => result.push_str("&lt;"),
            '>' => result.push_str("&gt;"),
            '"' => result.push_str("&quot;"),
            '\'' => result.push_str("&#39;"),
            control if control.is_control() => {}
            other => result.push(other),
        }
    }
    result
}
