"""Diagnosis: records in, verdicts out: joins, evidence, one small rule a reason id."""
