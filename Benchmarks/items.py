"""STAC Items as a Sentinel-2 catalogue has them: some 14 kB each, every one with a place and a time of its own."""

import json
import random

BANDS = {"AOT": 10, "B01": 60, "B02": 10, "B03": 10, "B04": 10, "B05": 20, "B06": 20, "B07": 20, "B08": 10, "B09": 60,
         "B11": 20, "B12": 20, "B8A": 20, "SCL": 20, "WVP": 10, "visual": 10}
METADATA = ("safe-manifest", "granule-metadata", "inspire-metadata", "product-metadata", "datastrip-metadata")
DAYS_PER_MONTH = 28


def items(count, seed=7):
    """Yields (id, document). The same numbers give the same items."""
    random_numbers = random.Random(seed)
    for number in range(count):
        west, south = random_numbers.uniform(-179, 177), random_numbers.uniform(-70, 70)
        year, month, day = 2020 + number % 5, 1 + number // 5 % 12, 1 + number // 60 % DAYS_PER_MONTH
        yield _item(number, round(west, 6), round(south, 6), f"{year}-{month:02}-{day:02}", random_numbers)


def _item(number, west, south, date, random_numbers):
    zone, east, north = int((west + 180) // 6) + 1, round(west + 1.4, 6), round(south + 0.99, 6)
    stamp = date.replace("-", "") + "T103031"
    name = f"S2B_MSIL2A_{stamp}_R108_T{zone:02}B{number:06}"
    base = f"https://example.org/sentinel-2/{zone:02}/{date.replace('-', '/')}/{name}.SAFE"
    assets = {}
    for band, metres in BANDS.items():
        pixels = 109800 // metres
        assets[band] = {
            "href": f"{base}/GRANULE/L2A_{stamp}/IMG_DATA/R{metres}m/T{zone:02}_{stamp}_{band}_{metres}m.tif",
            "title": f"{band} - {metres} m", "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "roles": ["data"], "gsd": metres, "proj:shape": [pixels, pixels],
            "proj:bbox": [499980.0, 4490220.0, 609780.0, 4600020.0],
            "proj:transform": [float(metres), 0.0, 499980.0, 0.0, -float(metres), 4600020.0],
            "eo:bands": [{"name": band, "common_name": band.lower(), "center_wavelength": 0.74,
                          "full_width_half_max": 0.018, "description": f"Band {band} of the MultiSpectral Instrument"}],
            "file:size": random_numbers.randrange(10**8),
            "file:checksum": f"1220{random_numbers.getrandbits(256):064x}"}
    for part in METADATA:
        assets[part] = {"href": f"{base}/{part}.xml", "type": "application/xml", "roles": ["metadata"],
                        "file:checksum": f"1220{random_numbers.getrandbits(256):064x}"}
    percentages = ("water", "vegetation", "dark_features", "cloud_shadow", "thin_cirrus", "snow_ice", "unclassified")
    document = {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": "sentinel-2-l2a",
        "stac_extensions": [f"https://stac-extensions.github.io/{part}/schema.json"
                            for part in ("eo/v1.0.0", "sat/v1.0.0", "projection/v1.0.0", "file/v2.1.0")],
        "bbox": [west, south, east, north],
        "geometry": {"type": "Polygon", "coordinates": [
            [[west, south], [east, south], [east, north], [west, north], [west, south]]]},
        "properties": {
            "datetime": f"{date}T10:30:31.024000Z", "platform": "Sentinel-2B", "constellation": "Sentinel 2",
            "instruments": ["msi"], "proj:epsg": 32600 + zone,
            "eo:cloud_cover": round(random_numbers.uniform(0, 100), 4),
            "sat:relative_orbit": 108, "sat:orbit_state": "descending", "s2:mgrs_tile": f"{zone:02}B",
            "s2:product_uri": f"{name}.SAFE", "s2:processing_baseline": "05.11",
            **{f"s2:{part}_percentage": round(random_numbers.uniform(0, 100), 6) for part in percentages}},
        "links": [{"rel": "license", "href": "https://example.org/sentinel-data-legal-notice"}], "assets": assets}
    return name, json.dumps(document).encode()
