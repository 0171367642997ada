import ArgumentParser
import NIOHTTP1
import Wire

struct Ls: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lists collections, or what is in one.",
        discussion: """
            Examples:
                martlet ls
                martlet ls s3://eo/2020/
                martlet ls -r --json s3://eo
            """)

    @Argument(help: "s3://COLLECTION[/PREFIX]; nothing for all collections.") var place: String?
    @Flag(name: .shortAndLong, help: "Everything below, not only the next level.") var recursive = false
    @Flag(help: "Print a line of JSON for each entry.") var json = false

    func run() async throws {
        try await NodeClient.with { client in
            guard let place else { return try await collections(client) }
            guard
                case .remote(let collection, let prefix) = try Location(
                    place.hasPrefix("s3://") ? place : "s3://" + place)
            else { return }
            var token: String?
            var isEmpty = true
            repeat {
                let page = try await client.list(
                    collection, prefix: prefix, delimiter: recursive ? "" : "/", token: token)
                for name in page.prefixes {
                    isEmpty = false
                    if json {
                        Console.json { $0.member("prefix", name) }
                    } else {
                        Console.write(Self.row("", "", name))
                    }
                }
                for object in page.objects {
                    isEmpty = false
                    if json {
                        Console.json {
                            $0.member("key", object.key)
                            $0.member("size", object.size)
                            $0.member("etag", object.etag)
                            $0.member("modified", object.modified)
                        }
                    } else {
                        Console.write(
                            Self.row(
                                object.modified.prefix(19).replacing("T", with: " "), Size.text(object.size), object.key
                            ))
                    }
                }
                token = page.next
            } while token != nil
            if isEmpty, !prefix.isEmpty { throw Failure(.notFound, "nothing begins with s3://\(collection)/\(prefix)") }
        }
    }

    private static func row(_ date: some StringProtocol, _ size: String, _ name: String) -> String {
        date.padded(19) + "  " + String(repeating: " ", count: max(0, 9 - size.count)) + size + "  " + name
    }

    private func collections(_ client: NodeClient) async throws {
        let answer = try await client.send(.GET, client.s3 + "/")
        guard answer.status == .ok else { throw NodeClient.failure(answer) }
        for bucket in try XMLElement(parsing: answer.bytes).descendants("Bucket") {
            let name = bucket["Name"]?.text ?? ""
            let created = bucket["CreationDate"]?.text ?? ""
            if json {
                Console.json {
                    $0.member("collection", name); $0.member("created", created)
                }
            } else {
                Console.write("\(created.prefix(19).replacing("T", with: " "))  \(name)")
            }
        }
    }
}

extension StringProtocol {
    /// Filled up with spaces on the right.
    func padded(_ width: Int) -> String { self + String(repeating: " ", count: Swift.max(0, width - count)) }
}
