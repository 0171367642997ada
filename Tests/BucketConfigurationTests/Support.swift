import BucketConfiguration

extension ConfigurationDocument {
    /// The document with this inside of its root.
    static func parse(_ inside: String) throws(ConfigurationError) -> Self {
        try Self(parsing: Array("<\(root) xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\(inside)</\(root)>".utf8))
    }

    /// S3's code for what is wrong with a document; nil where nothing is.
    static func fault(_ inside: String) -> String? {
        do throws(ConfigurationError) {
            _ = try parse(inside)
            return nil
        } catch {
            return error.code.name
        }
    }

    /// Whether the document reads back as the same from its own normal form.
    var isStable: Bool { (try? Self(parsing: bytes)) == self }
}
