"""From a model's answers on the untouched test split to figures, a verdict, a report and a model card."""
