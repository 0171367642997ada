package import Wire

extension ItemFacts {
    /// What a program printed: members of a STAC Item, each of which may be missing. What is no such member is passed
    /// over; whether they are valid is looked at with the Item that they become part of.
    package init(item: JSONValue) {
        self.init()
        geometry = item["geometry"].flatMap { $0.object == nil ? nil : $0 }
        bbox = item["bbox"]?.array?.compactMap(\.number)
        extensions = item["stac_extensions"]?.array?.compactMap(\.string) ?? []
        func moment(_ name: String) -> Timestamp? {
            (item["properties"]?[name]?.string).flatMap { Timestamp(rfc3339: $0) }
        }
        title = item["properties"]?["title"]?.string
        (datetime, start, end) = (moment("datetime"), moment("start_datetime"), moment("end_datetime"))
        let told: Set = ["title", "datetime", "start_datetime", "end_datetime"]
        for member in item["properties"]?.object?.members ?? [] where !told.contains(member.name) {
            properties[member.name] = member.value
        }
    }
}
