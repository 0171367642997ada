import ProductMetadata

/// What kind of thing a file is, by its name.
enum MediaTypes {
    static func of(_ path: String) -> String { MediaType.of(path: path) }
}
