//! C99 of trees: as tables that one loop walks, or as branches.

use std::fmt::Write as _;

use noroshi_tiny::boosted::Boosted;
use noroshi_tiny::forest::{Forest, Leaves, Node};
use noroshi_tiny::{Family, Model};

use super::c::{BEST, Values, array, longs};
use super::{Layout, SourceError};

/// Nesting that every C compiler takes (C99 5.2.4.1 promises 127 levels).
const DEPTH_AT_MOST: usize = 100;

pub(super) type Body = (String, String, Values);

pub(super) fn body(model: &Model, layout: Layout) -> Result<Body, SourceError> {
    Ok(match (&model.family, layout) {
        (Family::Forest(forest), Layout::Tables) => forest_tables(forest, model),
        (Family::Forest(forest), Layout::Branches) => forest_branches(forest)?,
        (Family::Boosted(boosted), Layout::Tables) => boosted_tables(boosted, model),
        (Family::Boosted(boosted), Layout::Branches) => boosted_branches(boosted)?,
        _ => return Err(SourceError::Branches),
    })
}

fn forest_tables(forest: &Forest, model: &Model) -> Body {
    let (leaves, leaf) = match forest.leaves() {
        Leaves::Votes(votes) => (
            array("uint8_t", "leaves", votes.iter()),
            "        scores[BYTE(&leaves[leaf])] += 1;",
        ),
        Leaves::Scores(scores) => (
            array("int8_t", "leaves", scores.iter()),
            "        const int8_t *score = &leaves[leaf * @classes@U];\n        \
             for (uint16_t class = 0; class < @classes@; class++) {\n            \
             scores[class] += SIGNED(score);\n            score++;\n        }",
        ),
    };
    let start = "    for (uint16_t class = 0; class < @classes@; class++) {\n        \
                 scores[class] = 0;\n    }";
    let values = vec![
        ("start", start.to_owned()),
        ("leaf", leaf.to_owned()),
        ("finish", String::new()),
    ];
    let shape = tables(forest.inner(), forest.nodes(), forest.widths(model.columns));
    joined(shape, leaves, values, forest_what(forest))
}

fn boosted_tables(boosted: &Boosted, model: &Model) -> Body {
    let outputs = boosted.base().len();
    let in_turn = boosted
        .outputs_of_trees()
        .iter()
        .enumerate()
        .all(|(tree, &output)| tree % outputs == usize::from(output));
    let mut arrays = vec![
        array("int8_t", "leaves", boosted.leaves().iter()),
        array("uint8_t", "multipliers", boosted.multipliers().iter()),
        longs("base", boosted.base()),
    ];
    let mut start = format!(
        "    for (uint16_t output = 0; output < {outputs}; output++) {{\n        \
         scores[output] = LONG(&base[output]);\n    }}"
    );
    let add = |output: &str| {
        format!(
            "        scores[{output}] += (int16_t)((int16_t)SIGNED(&leaves[leaf]) * \
             (int16_t)BYTE(&multipliers[tree]));"
        )
    };
    let leaf = if outputs == 1 {
        add("0")
    } else if in_turn {
        start.push_str("\n    uint16_t output = 0;");
        add("output") + &format!("\n        output = output + 1 == {outputs} ? 0 : output + 1;")
    } else {
        let outputs = boosted.outputs_of_trees().iter();
        arrays.push(array("uint8_t", "outputs_of_trees", outputs));
        add("BYTE(&outputs_of_trees[tree])")
    };
    let values = vec![
        ("start", start),
        ("leaf", leaf),
        ("finish", finish(outputs).to_owned()),
    ];
    let shape = tables(
        boosted.inner(),
        boosted.nodes(),
        boosted.widths(model.columns),
    );
    joined(shape, arrays.concat(), values, boosted_what(boosted))
}

/// One output tells two classes apart: they have it and its opposite.
fn finish(outputs: usize) -> &'static str {
    if outputs == 1 {
        "    scores[1] = scores[0];\n    scores[0] = -scores[1];\n"
    } else {
        ""
    }
}

fn forest_what(forest: &Forest) -> String {
    let (trees, leaves) = (forest.inner().len(), forest.leaf_count());
    format!("{trees} trees with {leaves} leaves")
}

fn boosted_what(boosted: &Boosted) -> String {
    let (trees, leaves) = (boosted.inner().len(), boosted.leaves().len());
    format!("{trees} boosted trees with {leaves} leaves")
}

fn joined(shape: (String, Values), leaves: String, mut values: Values, what: String) -> Body {
    let arrays = [
        shape.0,
        leaves,
        BEST.to_owned(),
        include_str!("templates/forest.c").to_owned(),
    ];
    values.extend(shape.1);
    (arrays.concat(), what, values)
}

fn tables(inner: &[u16], nodes: &[Node], widths: (usize, usize)) -> (String, Values) {
    let kind = |bytes| if bytes == 1 { "uint8_t" } else { "uint16_t" };
    let read = |bytes: usize| if bytes == 1 { "BYTE" } else { "WORD" }.to_owned();
    let (columns, skips) = widths;
    let arrays = [
        array("uint16_t", "inner_nodes", inner.iter()),
        array(
            kind(columns),
            "columns",
            nodes.iter().map(|node| node.column),
        ),
        array(
            "uint8_t",
            "thresholds",
            nodes.iter().map(|node| node.threshold),
        ),
        array(kind(skips), "skips", nodes.iter().map(|node| node.skip)),
    ];
    let index = if nodes.len() < 65_000 {
        "uint16_t"
    } else {
        "uint32_t"
    };
    let values = vec![
        ("trees", inner.len().to_string()),
        ("index", index.to_owned()),
        ("SKIP", read(skips)),
        ("COLUMN", read(columns)),
    ];
    (arrays.concat(), values)
}

fn forest_branches(forest: &Forest) -> Result<Body, SourceError> {
    let trees = forest.inner().len();
    let votes = match forest.leaves() {
        Leaves::Votes(votes) => votes,
        Leaves::Scores(scores) => return scoring_branches(forest, scores),
    };
    let shape = (forest.inner(), forest.nodes());
    let functions = functions(shape, "uint8_t", |leaf| votes[leaf].to_string())?;
    let calls = (0..trees).map(|tree| format!("    votes[tree_{tree}(row)]++;\n"));
    let values = vec![
        ("calls", calls.collect()),
        (
            "vote",
            if trees < 256 { "uint8_t" } else { "uint16_t" }.to_owned(),
        ),
    ];
    let template = include_str!("templates/forest_branches.c");
    Ok((functions + template, forest_what(forest), values))
}

fn scoring_branches(forest: &Forest, scores: &[i8]) -> Result<Body, SourceError> {
    let trees = forest.inner().len();
    let number = if forest.leaf_count() <= 65_536 {
        "uint16_t"
    } else {
        "uint32_t"
    };
    let shape = (forest.inner(), forest.nodes());
    let functions = functions(shape, number, |leaf| format!("{leaf}U"))?;
    let calls = (0..trees).map(|tree| format!("    add(scores, tree_{tree}(row));\n"));
    let text = [
        array("int8_t", "leaves", scores.iter()),
        BEST.to_owned(),
        functions,
        include_str!("templates/scoring_branches.c").to_owned(),
    ];
    let values = vec![("calls", calls.collect()), ("number", number.to_owned())];
    Ok((text.concat(), forest_what(forest), values))
}

fn boosted_branches(boosted: &Boosted) -> Result<Body, SourceError> {
    let outputs = boosted.base().len();
    let shape = (boosted.inner(), boosted.nodes());
    let functions = functions(shape, "int8_t", |leaf| boosted.leaves()[leaf].to_string())?;
    let trees = boosted.outputs_of_trees().iter().zip(boosted.multipliers());
    let calls = trees.enumerate().map(|(tree, (output, multiplier))| {
        format!("    scores[{output}] += (int16_t)((int16_t)tree_{tree}(row) * {multiplier});\n")
    });
    let base = boosted.base().iter().enumerate();
    let base = base.map(|(output, base)| format!("    scores[{output}] = {base}L;\n"));
    let values = vec![
        ("base", base.collect()),
        ("calls", calls.collect()),
        ("finish", finish(outputs).to_owned()),
    ];
    let template = include_str!("templates/boosted_branches.c");
    let text = [BEST, &functions, template].concat();
    Ok((text, boosted_what(boosted), values))
}

/// What is to be written next of a tree.
enum Next {
    Subtree {
        node: usize,
        leaf: usize,
        below: usize,
        depth: usize,
    },
    Close(usize),
}

/// A function for each tree, `tree_0` and so on, that returns what `says` writes of a leaf.
fn functions(
    (inner, nodes): (&[u16], &[Node]),
    kind: &str,
    says: impl Fn(usize) -> String,
) -> Result<String, SourceError> {
    let mut text = String::new();
    let (mut node, mut leaf) = (0, 0);
    for (tree, &inner) in inner.iter().enumerate() {
        let below = usize::from(inner);
        let whole = Next::Subtree {
            node,
            leaf,
            below,
            depth: 1,
        };
        let body = branches(whole, nodes, &says)?;
        // A tree that is a leaf asks for no column.
        let unused = if body.contains("row[") {
            ""
        } else {
            "    (void)row;\n"
        };
        let head = format!("static {kind} tree_{tree}(const uint8_t *row)");
        write!(text, "\n{head}\n{{\n{unused}{body}}}\n").expect("text takes all that is written");
        node += below;
        leaf += below + 1;
    }
    Ok(text)
}

fn branches(
    whole: Next,
    nodes: &[Node],
    says: &impl Fn(usize) -> String,
) -> Result<String, SourceError> {
    let mut text = String::new();
    let mut open = vec![whole];
    while let Some(next) = open.pop() {
        let (node, leaf, below, depth) = match next {
            Next::Close(depth) => {
                text.push_str(&"    ".repeat(depth));
                text.push_str("}\n");
                continue;
            }
            Next::Subtree {
                node,
                leaf,
                below,
                depth,
            } => (node, leaf, below, depth),
        };
        if depth > DEPTH_AT_MOST {
            return Err(SourceError::Deep);
        }
        let indent = "    ".repeat(depth);
        if below == 0 {
            let said = says(leaf);
            writeln!(text, "{indent}return {said};").expect("text takes all that is written");
            continue;
        }
        let at = nodes[node];
        let skip = usize::from(at.skip);
        let left = |depth| Next::Subtree {
            node: node + 1,
            leaf,
            below: skip,
            depth,
        };
        if at.threshold == u8::MAX {
            // Every byte goes left; a compiler would warn of the comparison.
            open.push(left(depth));
            continue;
        }
        let (column, threshold) = (at.column, at.threshold);
        writeln!(text, "{indent}if (row[{column}] <= {threshold}) {{")
            .expect("text takes all that is written");
        // The left side returns, so the right one needs no nesting.
        open.extend([
            Next::Subtree {
                node: node + 1 + skip,
                leaf: leaf + 1 + skip,
                below: below - 1 - skip,
                depth,
            },
            Next::Close(depth),
            left(depth + 1),
        ]);
    }
    Ok(text)
}
