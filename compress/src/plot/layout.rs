//! Where everything of a picture goes.

use super::axis::{Room, Ruler};
use super::shape::{Anchor, Color, Shape, text_width};
use super::{HEIGHT, Mark, Plot, Point, Series, WIDTH};

/// Colours that people with colour blindness tell apart (Okabe and Ito 2008).
const COLORS: [Color; 7] = [
    [0, 114, 178],
    [213, 94, 0],
    [0, 158, 115],
    [204, 121, 167],
    [230, 159, 0],
    [86, 180, 233],
    [0, 0, 0],
];
const INK: Color = [40, 40, 40];
const GRID: Color = [225, 225, 225];

/// Height of letters.
const TITLE: f64 = 17.0;
const TEXT: f64 = 13.0;

/// Space above and below the area of the points, and to its right.
const TOP: f64 = 46.0;
const BOTTOM: f64 = 58.0;
const RIGHT: f64 = 24.0;

/// Longest name of a row, in letters.
const NAME: usize = 34;

/// The area in which points lie.
struct Area {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: Ruler,
    y: Ruler,
}

impl Area {
    fn x(&self, number: f64) -> Option<f64> {
        Some(self.left + self.x.at(number)? * (self.right - self.left))
    }

    fn y(&self, number: f64) -> Option<f64> {
        Some(self.bottom - self.y.at(number)? * (self.bottom - self.top))
    }

    fn place(&self, point: &Point) -> Option<(f64, f64)> {
        Some((self.x(point.x)?, self.y(point.y)?))
    }
}

/// All shapes of a plot, in the order of drawing; `None` if there is no point to draw.
pub(super) fn shapes(plot: &Plot) -> Option<Vec<Shape>> {
    let area = area(plot)?;
    let mut shapes = vec![Shape::Rectangle {
        at: (0.0, 0.0),
        size: (WIDTH, HEIGHT),
        color: [255, 255, 255],
    }];
    shapes.push(text(
        (f64::midpoint(area.left, area.right), TOP / 2.0),
        TITLE,
        Anchor::Middle,
        plot.title.clone(),
    ));
    axes(plot, &area, &mut shapes);
    let before = shapes.len();
    for (place, series) in plot.series.iter().enumerate() {
        let color = COLORS[place % COLORS.len()];
        draw(series, &area, color, &mut shapes);
    }
    let mut taken = Vec::new();
    for shape in &shapes[before..] {
        take(shape, &mut taken);
    }
    legend(plot, &area, &mut shapes, &mut taken);
    for series in &plot.series {
        labels(series, &area, &mut shapes, &mut taken);
    }
    Some(shapes)
}

fn area(plot: &Plot) -> Option<Area> {
    let points = || plot.series.iter().flat_map(|series| &series.points);
    let has = |mark: Mark| plot.series.iter().any(|series| series.mark == mark);
    let rows = plot.y.names.len();
    let zero = |wanted: bool| wanted.then_some(0.0);
    let xs = points()
        .map(|point| point.x)
        .chain(plot.x.include.iter().copied())
        .chain(zero(has(Mark::Rows)));
    let ys = points()
        .flat_map(|point| {
            let (low, high) = point.interval.unwrap_or((point.y, point.y));
            [point.y, low, high]
        })
        .chain(plot.y.include.iter().copied())
        .chain(zero(has(Mark::Bars)));
    let x = Ruler::new(
        xs,
        plot.x.scale,
        if has(Mark::Bars) {
            Room::None
        } else if has(Mark::Rows) {
            Room::NotBelowZero
        } else {
            Room::Both
        },
    )?;
    let y = if rows == 0 {
        Ruler::new(ys, plot.y.scale, Room::NotBelowZero)?
    } else {
        // Rows stand from top to bottom, half a row of room at both ends.
        let ends = [-0.5, rows as f64 - 0.5];
        Ruler::new(ends.into_iter(), super::Scale::Linear, Room::None)?
    };
    let widest = if rows == 0 {
        y.ticks()
            .iter()
            .map(|(_, name)| text_width(name, TEXT))
            .fold(0.0, f64::max)
    } else {
        let named = plot.y.names.iter().map(|name| text_width(&cut(name), TEXT));
        named.fold(0.0, f64::max)
    };
    Some(Area {
        left: widest + 46.0,
        right: WIDTH - RIGHT,
        top: TOP,
        bottom: HEIGHT - BOTTOM,
        x,
        y,
    })
}

fn cut(name: &str) -> String {
    if name.chars().count() <= NAME {
        return name.to_owned();
    }
    let skipped = name.chars().count() - NAME + 3;
    format!("...{}", name.chars().skip(skipped).collect::<String>())
}

fn text(at: (f64, f64), size: f64, anchor: Anchor, text: String) -> Shape {
    Shape::Text {
        at,
        size,
        anchor,
        upright: false,
        text,
        color: INK,
    }
}

fn line(from: (f64, f64), to: (f64, f64), width: f64, color: Color) -> Shape {
    Shape::Line {
        from,
        to,
        width,
        color,
    }
}

fn axes(plot: &Plot, area: &Area, shapes: &mut Vec<Shape>) {
    let Area {
        left,
        right,
        top,
        bottom,
        ..
    } = *area;
    // Names along stand where they fit; numbers leave out what would overlap.
    let along: Vec<(f64, String)> = if plot.x.names.is_empty() {
        area.x.ticks()
    } else {
        let named = plot.x.names.iter().enumerate();
        named
            .filter_map(|(place, name)| Some((area.x.at(place as f64)?, name.clone())))
            .collect()
    };
    let mut free = f64::NEG_INFINITY;
    for (at, name) in along
        .into_iter()
        .filter(|(at, _)| (-1e-9..=1.000_001).contains(at))
    {
        let x = left + at * (right - left);
        shapes.push(line((x, top), (x, bottom), 1.0, GRID));
        let half = text_width(&name, TEXT) / 2.0;
        if x - half > free {
            free = x + half + 6.0;
            shapes.push(text((x, bottom + 16.0), TEXT, Anchor::Middle, name));
        }
    }
    let up: Vec<(f64, String)> = if plot.y.names.is_empty() {
        area.y.ticks()
    } else {
        let named = plot.y.names.iter().rev().enumerate();
        named
            .filter_map(|(place, name)| Some((area.y.at(place as f64)?, cut(name))))
            .collect()
    };
    let mut free = f64::INFINITY;
    for (at, name) in up
        .into_iter()
        .filter(|(at, _)| (-1e-9..=1.000_001).contains(at))
    {
        let y = bottom - at * (bottom - top);
        if plot.y.names.is_empty() {
            shapes.push(line((left, y), (right, y), 1.0, GRID));
        }
        if y + TEXT / 2.0 < free {
            free = y - TEXT / 2.0 - 1.0;
            shapes.push(text((left - 8.0, y), TEXT, Anchor::End, name));
        }
    }
    shapes.push(line((left, bottom), (right, bottom), 1.5, INK));
    shapes.push(line((left, top), (left, bottom), 1.5, INK));
    let middle = f64::midpoint(left, right);
    shapes.push(text(
        (middle, bottom + 40.0),
        TEXT,
        Anchor::Middle,
        plot.x.label.clone(),
    ));
    shapes.push(Shape::Text {
        at: (16.0, f64::midpoint(top, bottom)),
        size: TEXT,
        anchor: Anchor::Middle,
        upright: true,
        text: plot.y.label.clone(),
        color: INK,
    });
}

fn draw(series: &Series, area: &Area, color: Color, shapes: &mut Vec<Shape>) {
    match series.mark {
        Mark::Bars => bars(series, area, color, shapes),
        Mark::Rows => rows(series, area, color, shapes),
        Mark::Points | Mark::Line | Mark::Steps => {
            let places: Vec<_> = series.points.iter().filter_map(|p| area.place(p)).collect();
            for pair in places.windows(2) {
                let (from, to) = (pair[0], pair[1]);
                match series.mark {
                    Mark::Line => shapes.push(line(from, to, 2.0, color)),
                    Mark::Steps => {
                        let corner = (to.0, from.1);
                        shapes.push(line(from, corner, 2.0, color));
                        shapes.push(line(corner, to, 2.0, color));
                    }
                    _ => {}
                }
            }
            for point in &series.points {
                whisker(point, area, color, shapes);
            }
            if series.mark != Mark::Steps {
                let dots = places.into_iter().map(|at| Shape::Dot {
                    at,
                    radius: 4.0,
                    color,
                });
                shapes.extend(dots);
            }
        }
    }
}

fn whisker(point: &Point, area: &Area, color: Color, shapes: &mut Vec<Shape>) {
    let ends = point
        .interval
        .and_then(|(low, high)| Some((area.x(point.x)?, area.y(low)?, area.y(high)?)));
    if let Some((x, low, high)) = ends {
        shapes.push(line((x, low), (x, high), 1.0, color));
        for y in [low, high] {
            shapes.push(line((x - 4.0, y), (x + 4.0, y), 1.0, color));
        }
    }
}

fn bars(series: &Series, area: &Area, color: Color, shapes: &mut Vec<Shape>) {
    let places: Vec<_> = series.points.iter().filter_map(|p| area.place(p)).collect();
    let gaps = places.windows(2).map(|pair| (pair[1].0 - pair[0].0).abs());
    let width = (gaps.fold(f64::INFINITY, f64::min) * 0.9).clamp(1.0, 60.0);
    let zero = area.bottom - area.y.zero() * (area.bottom - area.top);
    for (x, y) in places {
        let left = (x - width / 2.0).max(area.left);
        let right = (x + width / 2.0).min(area.right);
        shapes.push(Shape::Rectangle {
            at: (left, y.min(zero)),
            size: ((right - left).max(0.0), (y - zero).abs()),
            color,
        });
    }
}

fn rows(series: &Series, area: &Area, color: Color, shapes: &mut Vec<Shape>) {
    let zero = area.left + area.x.zero() * (area.right - area.left);
    let count = series.points.len();
    let height = (area.bottom - area.top) / count.max(1) as f64 * 0.7;
    for (place, point) in series.points.iter().enumerate() {
        // The first row is the topmost.
        let row = (count - 1 - place) as f64;
        if let (Some(x), Some(y)) = (area.x(point.x), area.y(row)) {
            shapes.push(Shape::Rectangle {
                at: (x.min(zero), y - height / 2.0),
                size: ((x - zero).abs(), height),
                color,
            });
        }
    }
}

/// A place that is taken.
#[derive(Clone, Copy)]
struct Patch {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Patch {
    fn meets(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }
}

/// Notes where a shape lies; a slanted line in pieces.
fn take(shape: &Shape, taken: &mut Vec<Patch>) {
    let around = |x: f64, y: f64, room: f64| Patch {
        left: x - room,
        right: x + room,
        top: y - room,
        bottom: y + room,
    };
    match shape {
        Shape::Dot { at, .. } => taken.push(around(at.0, at.1, 4.0)),
        Shape::Line { from, to, .. } => {
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            let pieces = ((length / 6.0) as usize).clamp(1, 400);
            taken.extend((0..=pieces).map(|piece| {
                let share = piece as f64 / pieces as f64;
                let (x, y) = (
                    from.0 + share * (to.0 - from.0),
                    from.1 + share * (to.1 - from.1),
                );
                around(x, y, 2.0)
            }));
        }
        Shape::Rectangle { .. } | Shape::Text { .. } => {}
    }
}

/// The legend, in the corner with the fewest points.
fn legend(plot: &Plot, area: &Area, shapes: &mut Vec<Shape>, taken: &mut Vec<Patch>) {
    let named: Vec<(usize, &Series)> = plot
        .series
        .iter()
        .enumerate()
        .filter(|(_, series)| !series.name.is_empty())
        .collect();
    if named.len() < 2 {
        return;
    }
    let width = named
        .iter()
        .map(|(_, series)| text_width(&series.name, TEXT))
        .fold(0.0, f64::max)
        + 34.0;
    let height = 18.0 * named.len() as f64 + 8.0;
    let corner = |right: bool, low: bool| {
        let left = if right {
            area.right - width - 6.0
        } else {
            area.left + 8.0
        };
        let top = if low {
            area.bottom - height - 8.0
        } else {
            area.top + 6.0
        };
        Patch {
            left,
            right: left + width,
            top,
            bottom: top + height,
        }
    };
    let corners = [
        corner(true, true),
        corner(true, false),
        corner(false, false),
        corner(false, true),
    ];
    let crowd = |corner: &Patch| taken.iter().filter(|taken| taken.meets(corner)).count();
    let Some(place) = corners.iter().min_by_key(|corner| crowd(corner)).copied() else {
        return;
    };
    shapes.push(Shape::Rectangle {
        at: (place.left, place.top),
        size: (width, height),
        color: [248, 248, 248],
    });
    for (row, (number, series)) in named.into_iter().enumerate() {
        let y = place.top + 13.0 + 18.0 * row as f64;
        let color = COLORS[number % COLORS.len()];
        let from = (place.left + 6.0, y);
        shapes.push(line(from, (from.0 + 16.0, y), 3.0, color));
        shapes.push(text(
            (from.0 + 22.0, y),
            TEXT,
            Anchor::Start,
            series.name.clone(),
        ));
    }
    taken.push(place);
}

/// Writes each point's label where nothing else is; one that has no place is left out.
fn labels(series: &Series, area: &Area, shapes: &mut Vec<Shape>, taken: &mut Vec<Patch>) {
    for point in series.points.iter().filter(|point| !point.label.is_empty()) {
        let Some((x, y)) = area.place(point) else {
            continue;
        };
        let width = text_width(&point.label, TEXT);
        let tries = [
            (x + 8.0, y, Anchor::Start),
            (x - 8.0, y, Anchor::End),
            (x + 6.0, y - 14.0, Anchor::Start),
            (x + 6.0, y + 14.0, Anchor::Start),
            (x - 6.0, y - 14.0, Anchor::End),
            (x - 6.0, y + 14.0, Anchor::End),
            (x + 6.0, y - 28.0, Anchor::Start),
            (x + 6.0, y + 28.0, Anchor::Start),
            (x - 6.0, y - 28.0, Anchor::End),
            (x - 6.0, y + 28.0, Anchor::End),
        ];
        let boxed = |(x, y, anchor): (f64, f64, Anchor)| {
            let left = if anchor == Anchor::Start {
                x
            } else {
                x - width
            };
            Patch {
                left,
                right: left + width,
                top: y - TEXT / 2.0,
                bottom: y + TEXT / 2.0,
            }
        };
        let inside = |place: &Patch| {
            place.left > area.left
                && place.right < WIDTH
                && place.top > area.top - 10.0
                && place.bottom < area.bottom
        };
        let free = tries.into_iter().find(|&place| {
            let place = boxed(place);
            inside(&place) && !taken.iter().any(|taken| taken.meets(&place))
        });
        if let Some(place) = free {
            taken.push(boxed(place));
            let (x, y, anchor) = place;
            shapes.push(text((x, y), TEXT, anchor, point.label.clone()));
        }
    }
}
