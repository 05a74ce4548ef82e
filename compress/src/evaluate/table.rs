//! Evaluations as text for people.

use std::fmt;

use super::{Comparison, Evaluation, Figure, Quality};
use crate::statistics::Interval;

/// Classes and mistakes that are shown.
const SHOWN: usize = 10;

/// From which p-value on a difference may be chance.
const SIGNIFICANT: f64 = 0.05;

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4} to {:.4}", self.low, self.high)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4}", self.value)?;
        match self.interval {
            Some(interval) => write!(f, " (95 %: {interval})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "samples      {}", self.samples)?;
        match &self.quality {
            Quality::Classes(seen) => {
                writeln!(f, "top-1        {}", seen.top_1)?;
                if let Some(interval) = seen.top_1_by_group {
                    writeln!(f, "             drawn by group: {interval}")?;
                }
                writeln!(f, "top-{:<9}{}", seen.k, seen.top_k)?;
                writeln!(f, "macro F1     {}", seen.macro_f1)?;
                if let Some(area) = &seen.roc_auc {
                    writeln!(f, "ROC AUC      {area}")?;
                }
                writeln!(f, "mAP          {}", seen.mean_average_precision)?;
                let mut worst: Vec<_> = seen.classes.iter().collect();
                worst.sort_by(|left, right| left.recall.share.total_cmp(&right.recall.share));
                writeln!(f, "\nrecall  precision  F1      class")?;
                for class in worst.into_iter().take(SHOWN) {
                    let precision = class
                        .precision
                        .map_or("-".into(), |precision| format!("{precision:.4}"));
                    let (recall, f1, name) = (class.recall.share, class.f1, &class.name);
                    writeln!(f, "{recall:.4}  {precision:<9}  {f1:.4}  {name}")?;
                }
                for confusion in seen.confusions.iter().take(SHOWN) {
                    let (count, is) = (confusion.count, &confusion.is);
                    writeln!(
                        f,
                        "{count:>6} times {is} is taken for {}",
                        confusion.answered
                    )?;
                }
                Ok(())
            }
            Quality::Labels(seen) => {
                writeln!(f, "mAP          {}", seen.mean_average_precision)?;
                if let Some(area) = &seen.roc_auc {
                    writeln!(f, "ROC AUC      {area}")?;
                }
                writeln!(f, "micro F1     {:.4}", seen.micro_f1)?;
                writeln!(f, "macro F1     {:.4}", seen.macro_f1)
            }
            Quality::Figures(seen) => {
                writeln!(f, "RMSE         {}", seen.rmse)?;
                writeln!(
                    f,
                    "mean error   {:.4}, at worst {:.4}",
                    seen.mae, seen.worst
                )?;
                if let Some(share) = seen.r_squared {
                    writeln!(f, "R²           {share:.4}")?;
                }
                Ok(())
            }
            Quality::Unlabelled => writeln!(f, "labels       none"),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "reference\n{}\nmodel\n{}", self.reference, self.model)?;
        self.fmt_changes(f)
    }
}

impl Comparison {
    /// What differs, without the two evaluations.
    pub(crate) fn fmt_changes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(paired) = &self.paired {
            let points = 100.0 * paired.difference;
            let (low, high) = (100.0 * paired.low, 100.0 * paired.high);
            writeln!(
                f,
                "top-1        {points:+.2} points (95 %: {low:+.2} to {high:+.2})"
            )?;
            let (first, second) = (paired.counts.only_first, paired.counts.only_second);
            let verdict = if paired.p_value < SIGNIFICANT {
                "more than chance"
            } else {
                "may be chance"
            };
            writeln!(
                f,
                "             right only before {first}, only after {second}: p = {:.4}, {verdict}",
                paired.p_value
            )?;
        }
        if let Some(change) = &self.error_change {
            writeln!(f, "MSE          changes by {change}")?;
        }
        if let Some(agreement) = &self.agreement {
            writeln!(f, "agreement    {agreement}")?;
        }
        if let Some(interval) = self.agreement_by_group {
            writeln!(f, "             drawn by group: {interval}")?;
        }
        for output in &self.outputs {
            let name = &output.output;
            let (cosine, worst) = (output.cosine, output.worst_cosine);
            writeln!(f, "output {name}: cosine {cosine:.6}, {worst:.6} at worst")?;
            let (decibels, worst) = (output.sqnr_db, output.worst_sqnr_db);
            let difference = output.largest_difference;
            writeln!(
                f,
                "             {decibels:.1} dB, {worst:.1} dB at worst; largest difference {difference:.3e}"
            )?;
        }
        for change in self.changes.iter().take(SHOWN) {
            let (before, after) = (change.reference, change.model);
            let (name, p) = (&change.name, change.test.p_value);
            writeln!(f, "recall {before:.4} → {after:.4}  {name} (p = {p:.3})")?;
        }
        Ok(())
    }
}
