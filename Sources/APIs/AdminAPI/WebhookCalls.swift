import HTTPSupport
import Identity
import NIOHTTP1
import Notifications
import Policy
import Wire

extension AdminService {
    /// `/webhooks` and `/webhooks/{name}`.
    func webhooks(_ call: Call) async throws -> Response {
        do {
            return try await answer(call)
        } catch let error as NotificationsError {
            switch error.code {
            case .notFound: throw Problem.notFound(error.message)
            case .invalid, .limit: throw Problem.badRequest(error.message)
            }
        }
    }

    private func answer(_ call: Call) async throws -> Response {
        switch (call.path.count, call.method) {
        case (0, .GET):
            try await require(call, "martlet:ListWebhooks", on: ResourceName.webhook("*"))
            let page = try await notifications.webhooks(after: call.after)
            return Response.json { json in
                json.key("webhooks")
                json.array { json in for webhook in page { json.object { write(webhook, &$0) } } }
            }
        case (1, .GET):
            try await require(call, "martlet:GetWebhook", on: ResourceName.webhook(call.path[0]))
            let webhook = try await notifications.webhook(call.path[0])
            return Response.json { write(webhook, &$0) }
        case (1, .PUT):
            try await require(call, "martlet:PutWebhook", on: ResourceName.webhook(call.path[0]))
            let body = try await call.body()
            try await notifications.putWebhook(
                call.path[0], url: try body.required("url"), secret: body["secret"]?.string, by: call.actor)
            let webhook = try await notifications.webhook(call.path[0])
            return Response.json { write(webhook, &$0) }
        case (1, .DELETE):
            try await require(call, "martlet:DeleteWebhook", on: ResourceName.webhook(call.path[0]))
            try await notifications.deleteWebhook(call.path[0], by: call.actor)
            return Response(.noContent)
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath) for \(call.method)")
        }
    }

    private func write(_ webhook: Webhook, _ json: inout JSONWriter) {
        json.member("name", webhook.name)
        json.member("arn", ResourceName.webhook(webhook.name))
        json.member("url", webhook.url)
        json.member("hasSecret", webhook.hasSecret)
        json.member("created", webhook.created.rfc3339)
        json.member("waiting", webhook.state.waiting)
        json.member("failures", webhook.state.failures)
        json.member("dropped", webhook.state.dropped)
        json.member("deadLetters", webhook.state.dead)
        if let error = webhook.state.error { json.member("error", error) }
    }
}
