extension Configuration {
    /// Reads `ENDING,ENDING=PROGRAM …`.
    static func describers(_ text: String) throws -> [(suffixes: Set<String>, program: String)] {
        try text.split(whereSeparator: \.isWhitespace).map { pair in
            let parts = pair.split(separator: "=", maxSplits: 1)
            let suffixes = Set(parts.first?.split(separator: ",").map { $0.lowercased() } ?? [])
            guard parts.count == 2, !suffixes.isEmpty, !suffixes.contains(where: { $0.contains(".") }) else {
                throw ConfigurationError(
                    "--describers is ENDING,ENDING=PROGRAM …, such as las,laz=/usr/local/bin/las-item, not "
                        + "'\(pair.prefix(200))'")
            }
            return (suffixes, absolute(String(parts[1])))
        }
    }
}
