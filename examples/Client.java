// SPDX-License-Identifier: MIT
// Java 17, no library: java Client.java
// Prints: 200 {"loss":0.40760598,"divisor":1,"rows":1}
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.Arrays;

class Client {
    static final String URL = System.getenv().getOrDefault(
        "SOFTMAXD_URL", "http://127.0.0.1:8080");

    public static void main(String[] arguments) throws Exception {
        float[] logits = {1, 2, 3};
        var body = """
            {"logits": %s, "labels": 2}
            """.formatted(Arrays.toString(logits));
        var request = HttpRequest.newBuilder(URI.create(URL + "/loss"))
            .header("Content-Type", "application/json")
            .POST(BodyPublishers.ofString(body)).build();
        var answer = HttpClient.newHttpClient()
            .send(request, BodyHandlers.ofString());
        System.out.println(answer.statusCode() + " " + answer.body().strip());
    }
}
