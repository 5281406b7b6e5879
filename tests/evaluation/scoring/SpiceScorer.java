package edu.anu.spice;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A stand-in for SPICE: a caption scores a tenth of its number of words.
 *
 * <p>spice_stand_in.jar was made of it by: javac --release 8 -d classes SpiceScorer.java; jar
 * --create --no-manifest --file spice_stand_in.jar -C classes .
 */
public class SpiceScorer {
  public static void main(String[] arguments) throws Exception {
    for (String name : new String[] {"parser.txt", "models.txt"}) {
      if (SpiceScorer.class.getClassLoader().getResource(name) == null) {
        throw new IllegalStateException("no " + name + " on the class path");
      }
    }
    List<String> options = Arrays.asList(arguments);
    byte[] bytes = Files.readAllBytes(Paths.get(arguments[0]));
    String entries = new String(bytes, StandardCharsets.UTF_8);
    Pattern pattern = Pattern.compile("\"image_id\": (\\d+), \"test\": \"([^\"]*)\"");
    Matcher matcher = pattern.matcher(entries);
    List<String> scores = new ArrayList<>();
    while (matcher.find()) {
      String caption = matcher.group(2);
      if (caption.equals("crash")) {
        throw new IllegalArgumentException("cannot parse " + caption);
      }
      int words = caption.split(" ").length;
      String score = caption.isEmpty() ? "NaN" : String.format("%.1f", words / 10.0);
      scores.add("{\"image_id\": " + matcher.group(1) + ", \"scores\": {\"All\": {\"f\": "
          + score + "}}}");
    }
    String output = options.get(options.indexOf("-out") + 1);
    Files.write(Paths.get(output), scores.toString().getBytes(StandardCharsets.UTF_8));
  }
}
