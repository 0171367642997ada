import CLibPQ
import Glibc

extension PostgresPipeline {
    /// Connects and enters pipeline mode. What the URL says comes before the settings given here.
    static func connect(_ url: String) throws -> OpaquePointer {
        // libpq's own message about a malformed URL repeats it, with the password.
        guard let parsed = PQconninfoParse(url, nil) else {
            throw DatabaseError(.misuse, "the PostgreSQL URL is malformed; expected postgres://user@host:5432/name")
        }
        PQconninfoFree(parsed)
        // Later keywords win; the URL stands in `dbname`, which is expanded.
        let settings = [
            ("connect_timeout", "10"), ("fallback_application_name", "martlet"), ("dbname", url),
            ("client_encoding", "UTF8"),
        ]
        let opened = withCStrings(settings.map(\.0)) { keywords in
            withCStrings(settings.map(\.1)) { values in PQconnectdbParams(keywords, values, 1) }
        }
        guard let opened else { throw DatabaseError(.unavailable, "no memory for a PostgreSQL connection") }
        guard PQstatus(opened) == CONNECTION_OK, PQenterPipelineMode(opened) == 1 else {
            defer { PQfinish(opened) }
            throw DatabaseError.connectionLost(opened, sql: nil)
        }
        // Notices ("relation exists, skipping") would go to standard error.
        PQsetNoticeProcessor(opened, { _, _ in }, nil)
        return opened
    }

    /// A null-terminated array of C strings for the length of the call.
    private static func withCStrings<T>(
        _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> T
    ) -> T {
        let copies = strings.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        return (copies.map { UnsafePointer($0) } + [nil]).withUnsafeBufferPointer { body($0.baseAddress) }
    }
}
