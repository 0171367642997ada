import ArgumentParser
import NIOHTTP1
import Wire

struct CollectionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "collection", abstract: "Collections of the catalogue: indexes over properties of their items.",
        discussion: """
            Searches by place, time and id are quick by themselves. An index makes filters and orders by another property so,
            where a collection has many items.

            Example: martlet collection index eo eo:cloud_cover
            """,
        subcommands: [Index.self, Indexes.self])

    struct Index: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes an index over a property, and returns when all items are in it.",
            discussion: """
                It can take minutes where there are millions of items, which can be searched and changed meanwhile. The same
                command again finishes what was interrupted.

                Example: martlet collection index eo eo:cloud_cover
                """)
        @Argument(help: "The collection's name.") var collection: String
        @Argument(help: "The property's name, like eo:cloud_cover.") var property: String
        @Flag(help: "Take the index away.") var remove = false
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let path = CollectionCommand.path(collection) + "/" + PercentEncoding.encode(property)
            try await NodeClient.with { client in
                if remove {
                    try await client.json(.DELETE, path)
                    Report.done("removed", property, json: json)
                } else {
                    let index = try await client.json(.PUT, path)
                    if json {
                        Console.write(index.text)
                    } else {
                        Console.write("\(property) of \(collection) is indexed")
                    }
                }
            }
        }
    }

    struct Indexes: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the indexes of a collection.", discussion: "Example: martlet collection indexes eo")
        @Argument(help: "The collection's name.") var collection: String
        @Flag(help: "Print each index as a line of JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let answer = try await client.json(.GET, CollectionCommand.path(collection))
                Console.list(answer["indexes"], json: json) { index in
                    (index["property"]?.string ?? "") + (index["isReady"]?.bool == true ? "" : "  (unfinished)")
                }
            }
        }
    }

    private static func path(_ collection: String) -> String {
        "/admin/v1/collections/\(PercentEncoding.encode(collection))/indexes"
    }
}
