import ArgumentParser
import NIOHTTP1
import TraceFormat
import Wire

extension RegistryKind: ExpressibleByArgument {
    func path(_ name: String? = nil) -> String {
        "/traces/api/v1/\(rawValue)" + (name.map { "/" + PercentEncoding.encode($0) } ?? "")
    }
}

/// In whose service something happened.
struct TraceServiceOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The service's owner, as it is registered.", valueName: "name")) var serviceOwner:
        String?
    @Option(help: ArgumentHelp("Who runs the service, as it is registered.", valueName: "name"))
    var serviceProvider: String?
    @Option(help: ArgumentHelp("What the service is part of, as it is registered.", valueName: "name"))
    var serviceContext: String?
    @Option(help: ArgumentHelp("The type of the event, as it is registered.", valueName: "name")) var eventType: String?
    @Option(
        help: ArgumentHelp(
            "What goes with an event of that type: a JSON object, or @ and the name of a file with one.",
            valueName: "json"))
    var attributes: String?

    /// Nil where nothing is said of it.
    func service() throws -> Trace.Service? {
        var object = JSONObject()
        for (member, value) in [
            ("owner", serviceOwner), ("provider", serviceProvider), ("context", serviceContext),
            ("event_type", eventType),
        ] {
            if let value { object[member] = .string(value) }
        }
        do {
            if let attributes {
                let bytes =
                    attributes.hasPrefix("@")
                    ? try File.read(String(attributes.dropFirst()), limit: Trace.Service.bytesMax)
                    : Array(attributes.utf8)
                object["attributes"] = try JSONValue(parsing: bytes)
            }
            return object.members.isEmpty ? nil : try Trace.Service(.object(object))
        } catch let error as JSONError {
            throw Failure(.failed, "--attributes is not JSON: \(error)")
        } catch let error as TraceError {
            throw Failure(.failed, error.message)
        }
    }
}

extension TraceCommand {
    struct Registry: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What traces can name: service owners, providers and contexts, and types of events.",
            discussion: """
                martlet trace registry put service-owners esa --title "European Space Agency"
                martlet trace registry put service-providers dlr --owner esa
                martlet trace registry put event-types download --event COPY --schema download.schema.json
                """,
            subcommands: [List.self, Show.self, Put.self, Remove.self])

        private static let kinds = "service-owners, service-providers, service-contexts or event-types."

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Lists one kind of them.")
            @Argument(help: ArgumentHelp(stringLiteral: kinds)) var kind: RegistryKind
            @Flag(help: "Print a JSON object for each.") var json = false

            func run() async throws {
                try await NodeClient.with(login: false) { client in
                    try await client.pages(kind.path(), by: "name", limit: 100) { page in
                        Console.list(page, json: json) {
                            "\(($0["name"]?.string ?? "").padded(24))  \($0["title"]?.string ?? "")"
                        }
                    }
                }
            }
        }

        struct Show: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Prints one of them as JSON.")
            @Argument(help: ArgumentHelp(stringLiteral: kinds)) var kind: RegistryKind
            @Argument(help: "Its name.") var name: String
            @Flag(help: "Print JSON (it always does).") var json = false

            func run() async throws {
                try await NodeClient.with(login: false) { client in
                    Console.write(try await client.json(.GET, kind.path(name)).text)
                }
            }
        }

        struct Put: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Registers one, in place of the one of that name.",
                discussion: """
                    A schema is a JSON Schema: type, enum, const, properties, required, additionalProperties, items, limits, and
                    format for date, date-time, uri and uuid.
                    """)
            @Argument(help: ArgumentHelp(stringLiteral: kinds)) var kind: RegistryKind
            @Argument(help: "Its name: letters, digits and -._: of ASCII.") var name: String
            @Option(help: "What people call it.") var title: String?
            @Option(help: "What it is.") var description: String?
            @Option(help: "Where there is more about it.") var link: String?
            @Option(help: "Of a provider: the service owner for whom it works.") var owner: String?
            @Option(help: "Of an event type: CREATE, COPY, DELETE or OBSOLETE (default: any).") var event: TraceEvent?
            @Option(help: ArgumentHelp("Of an event type: a file with the schema of attributes.", valueName: "file"))
            var schema: String?
            @Flag(help: "Print JSON.") var json = false

            func run() async throws {
                var body = JSONObject()
                for (member, value) in [
                    ("title", title), ("description", description), ("url", link), ("owner", owner),
                    ("event", event?.rawValue),
                ] {
                    if let value { body[member] = .string(value) }
                }
                if let schema {
                    do {
                        body["schema"] = try JSONValue(parsing: File.read(schema, limit: JSONSchema.bytesMax))
                    } catch let error as JSONError {
                        throw Failure(.failed, "\(schema) is not JSON: \(error)")
                    }
                }
                let document = JSONValue.object(body)
                try await NodeClient.with { client in
                    let made = try await client.json(.PUT, kind.path(name), body: document)
                    Console.write(json ? made.text : "\(kind.rawValue)/\(name) is registered")
                }
            }
        }

        struct Remove: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                commandName: "rm", abstract: "Takes one out: new traces cannot name it, earlier ones stay.")
            @Argument(help: ArgumentHelp(stringLiteral: kinds)) var kind: RegistryKind
            @Argument(help: "Its name.") var name: String

            func run() async throws {
                try await NodeClient.with { client in _ = try await client.json(.DELETE, kind.path(name)) }
            }
        }
    }
}
