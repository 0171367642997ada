import Wire

/// Names of properties in words, with their units. What is not listed is shown under the name that it has.
enum PropertyNames {
    /// In the order in which they are shown.
    private static let known: [(name: String, words: String, unit: String)] = [
        ("title", "Title", ""),
        ("description", "Description", ""),
        ("datetime", "Acquired", ""),
        ("start_datetime", "Acquisition began", ""),
        ("end_datetime", "Acquisition ended", ""),
        ("martlet:datetime_is_arrival", "Time is that of arrival", ""),
        ("platform", "Platform", ""),
        ("constellation", "Constellation", ""),
        ("mission", "Mission", ""),
        ("instruments", "Instruments", ""),
        ("gsd", "Ground resolution", "m"),
        ("eo:cloud_cover", "Cloud cover", "%"),
        ("eo:snow_cover", "Snow cover", "%"),
        ("landsat:cloud_cover_land", "Cloud cover over land", "%"),
        ("product:type", "Product type", ""),
        ("product:timeliness", "Timeliness", ""),
        ("processing:level", "Processing level", ""),
        ("processing:version", "Processing version", ""),
        ("processing:facility", "Processed by", ""),
        ("processing:datetime", "Processed", ""),
        ("proj:code", "Projection", ""),
        ("proj:epsg", "Projection (EPSG)", ""),
        ("grid:code", "Grid cell", ""),
        ("sat:platform_international_designator", "COSPAR id", ""),
        ("sat:orbit_state", "Orbit direction", ""),
        ("sat:absolute_orbit", "Absolute orbit", ""),
        ("sat:relative_orbit", "Relative orbit", ""),
        ("sar:frequency_band", "Radar band", ""),
        ("sar:polarizations", "Polarisations", ""),
        ("sar:instrument_mode", "Instrument mode", ""),
        ("view:sun_azimuth", "Sun azimuth", "°"),
        ("view:sun_elevation", "Sun elevation", "°"),
        ("view:azimuth", "View azimuth", "°"),
        ("view:incidence_angle", "Incidence angle", "°"),
        ("view:off_nadir", "Off-nadir angle", "°"),
        ("landsat:wrs_path", "WRS path", ""),
        ("landsat:wrs_row", "WRS row", ""),
        ("landsat:wrs_type", "WRS type", ""),
        ("landsat:scene_id", "Scene id", ""),
        ("landsat:collection_category", "Collection category", ""),
        ("landsat:collection_number", "Collection number", ""),
        ("landsat:correction", "Correction", ""),
        ("s2:mgrs_tile", "MGRS tile", ""),
        ("s2:datatake_id", "Datatake id", ""),
        ("s2:datastrip_id", "Datastrip id", ""),
        ("sci:doi", "DOI", ""),
        ("license", "Licence", ""),
        ("created", "Created", ""),
        ("updated", "Updated", ""),
        ("published", "Published", ""),
        ("martlet:files", "Files in all", ""),
    ]

    /// The properties in the order to show them: known ones as listed above, the others by name.
    static func sorted(_ properties: JSONObject) -> [JSONObject.Member] {
        let members = properties.members.filter { !$0.value.isNull }
        let named = known.compactMap { entry in members.first { $0.name == entry.name } }
        let others = members.filter { member in !known.contains { $0.name == member.name } }.sorted {
            $0.name < $1.name
        }
        return named + others
    }

    /// Nil for a name that is not known.
    static func words(_ name: String) -> String? { known.first { $0.name == name }?.words }

    /// A value in words, at most 400 characters of it.
    static func value(_ member: JSONObject.Member) -> String {
        let unit = known.first { $0.name == member.name }?.unit ?? ""
        let text: String
        switch member.value {
        case .string(let value):
            let isTime = value.utf8.count >= 20 && value.utf8.count <= 40 && value.utf8.first.map { $0 < 0x3A } == true
            text = isTime ? Timestamp(rfc3339: value).map(Words.time) ?? value : value
        case .integer, .double: text = number(member.value) + (unit == "°" ? "°" : unit.isEmpty ? "" : " " + unit)
        case .bool(let value): text = value ? "yes" : "no"
        case .array(let values) where values.allSatisfy({ $0.array == nil && $0.object == nil }):
            text = values.prefix(50).map { $0.string ?? number($0) }.joined(separator: ", ")
        default: text = member.value.text
        }
        return text.count > 400 ? text.prefix(400) + "…" : text
    }

    /// Numbers may be codes and years, so they are not grouped.
    private static func number(_ value: JSONValue) -> String {
        guard case .double(let number) = value else { return value.text }
        return Words.decimal(number, digits: 4).replacing(",", with: "")
    }
}
