"""The logs of `hft bench wire`, read by HdrHistogram's own Python library: they must give the figures of the report."""

import json
import pathlib
import sys

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

folder = pathlib.Path(sys.argv[1])
report = json.loads((folder / "report.json").read_text())
read = 0
for rate in report["rates"]:
    for repeat, figures in enumerate(rate["repeats"]):
        whole = HdrHistogram(1, 10_000_000_000, 3)
        reader = HistogramLogReader(str(folder / f"rate-{rate['per_second']}-{repeat}.hlog"), whole)
        while (interval := reader.get_next_interval_histogram()) is not None:
            whole.add(interval)
        assert whole.get_total_count() > 0
        for name, quantile in (("p50", 50.0), ("p99", 99.0), ("max", 100.0)):
            found = whole.get_value_at_percentile(quantile)
            assert abs(found - figures[name]) <= figures[name] // 1_000 + 1, (rate["per_second"], name, found, figures[name])
        read += 1
assert read > 0
print(f"hdrhistogram: {read} logs give the figures of the report")
