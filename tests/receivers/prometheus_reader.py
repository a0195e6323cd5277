"""Reads a file of metrics with Prometheus's own parser and prints each sample as a line of JSON: its family, the type of that, name, labels, value."""

import json
import sys

from prometheus_client.parser import text_string_to_metric_families

for family in text_string_to_metric_families(open(sys.argv[1]).read()):
    for sample in family.samples:
        line = {
            "family": family.name,
            "type": family.type,
            "help": family.documentation,
            "name": sample.name,
            "labels": sample.labels,
            "value": str(sample.value),
        }
        print(json.dumps(line))
